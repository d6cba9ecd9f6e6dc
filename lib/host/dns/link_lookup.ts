/**
 * Finds the addresses of a name by asking the links' own DNS servers over the links themselves: bound
 * to the interface, so that no route takes the question elsewhere, and marked, so that a kill switch
 * can tell it from what other programs ask. What is found is not believed further than the system's
 * own answer would be: whoever is there must prove by certificate that he is the server.
 */
import { domainToASCII } from "node:url";
import * as v from "valibot";
import { Buffer } from "node:buffer";
import { decode, encode, RECURSION_DESIRED } from "dns-packet";
import type { Libc } from "../../ffi/libc/libc.ts";
import { askUdp } from "../../ffi/linux/udp_question.ts";
import { type AddressFamily, canonicalAddress, FAMILIES, familyOf } from "../links/address.ts";
import type { LinkResolver } from "./link_resolvers.ts";
import { DNS_PORT, LOOKUP_MARK } from "./lookup_mark.ts";

const RECORD_TYPES = { 4: "A", 6: "AAAA" } as const;
/** Each server is asked so often, and has so long for it each time. */
const TRIES = 2;
const TRY_TIMEOUT_MS = 2000;
/** Of each family: a liar must not fill the list of addresses. */
const ANSWERS_MAX = 2;

/** The resolvers' answer that came first, without any when nobody knows the name. Never rejects. */
export async function lookUpOverLinks(
  libc: Libc,
  resolvers: readonly LinkResolver[],
  name: string,
  signal: AbortSignal,
): Promise<{ address: string; family: AddressFamily }[]> {
  const done = new AbortController();
  const either = AbortSignal.any([signal, done.signal]);
  try {
    return await Promise.any(resolvers.map(async (resolver) => {
      const answers = await Promise.all(
        FAMILIES.map((family) => askFor(libc, resolver, name, family, either)),
      );
      const addresses = answers.flat();
      if (addresses.length === 0) throw new Error(`${resolver.address} does not know ${name}`);
      return addresses.map((address) => ({ address, family: familyOf(address) }));
    }));
  } catch {
    return [];
  } finally {
    done.abort();
  }
}

async function askFor(
  libc: Libc,
  { device, index, address }: LinkResolver,
  name: string,
  family: AddressFamily,
  signal: AbortSignal,
): Promise<string[]> {
  const question = {
    id: crypto.getRandomValues(new Uint16Array(1))[0]!,
    type: RECORD_TYPES[family],
    name: domainToASCII(name.replace(/\.$/, "")),
  };
  const bytes = encodeQuestion(question);
  const scope = /^fe[89ab][0-9a-f]:/i.test(address) ? index : 0;
  const target = { device, address, port: DNS_PORT, scope, mark: LOOKUP_MARK };
  let found: string[] | null = null;
  const isAnswer = (datagram: Uint8Array) => (found = readAnswer(datagram, question)) !== null;
  for (let tries = 0; tries < TRIES && !signal.aborted; tries++) {
    try {
      const limits = { timeoutMs: TRY_TIMEOUT_MS, signal };
      if (await askUdp(libc, target, bytes, isAnswer, limits) !== null) return found ?? [];
    } catch {
      return []; // nobody listens there, or the link is gone
    }
  }
  return [];
}

/** What dns-packet makes of a datagram, as far as it counts. */
const ResponseSchema = v.object({
  type: v.literal("response"),
  id: v.number(),
  questions: v.tuple([v.object({ type: v.string(), name: v.string() })]),
  answers: v.array(v.object({ type: v.string(), data: v.unknown() })),
});

interface Question {
  readonly id: number;
  readonly type: "A" | "AAAA";
  readonly name: string;
}

export function encodeQuestion({ id, type, name }: Question): Uint8Array {
  return encode({ type: "query", id, flags: RECURSION_DESIRED, questions: [{ type, name }] });
}

/** The addresses in an answer to that question; null for anything else. */
export function readAnswer(datagram: Uint8Array, question: Question): string[] | null {
  try {
    const packet = v.parse(ResponseSchema, decode(Buffer.from(datagram)));
    const [asked] = packet.questions;
    if (packet.id !== question.id || asked.type !== question.type) return null;
    if (asked.name.toLowerCase() !== question.name.toLowerCase()) return null;
    const addresses = packet.answers.filter(({ type }) => type === question.type)
      .map(({ data }) => canonicalAddress(String(data)));
    return [...new Set(addresses)].slice(0, ANSWERS_MAX);
  } catch {
    return null;
  }
}
