/** What a DNS answer that passes says of names. */
import { Buffer } from "node:buffer";
import { isIP } from "node:net";
import { decode, question } from "dns-packet";
import * as v from "valibot";
import { canonicalAddress } from "../links/address.ts";
import { DNS_PORT } from "./lookup_mark.ts";

const PROTOCOL_UDP = 17;
const UDP_HEADER_LENGTH = 8;
const IPV6_HEADER_LENGTH = 40;
const IPV4_HEADER_LENGTH_MIN = 20;
/** Of one answer; no honest one has as many. */
const ADDRESSES_MAX = 64;
/** Resolvers let servers send no more by UDP; to read a datagram full of records takes 100 ms. */
const MESSAGE_BYTES_MAX = 4096;
const DNS_HEADER_LENGTH = 12;

const ANSWER = v.object({
  type: v.literal("response"),
  questions: v.pipe(v.array(v.object({ name: v.string() })), v.minLength(1)),
  answers: v.array(v.object({ type: v.string(), data: v.optional(v.unknown()) })),
});

export interface NamedAnswer {
  /** In lower case, without a dot at the end. */
  readonly name: string;
  readonly addresses: readonly string[];
}

/**
 * The addresses that an IP packet with a DNS answer gives for one of `names`, through whatever aliases;
 * null: it is none, or of other names. Hostile bytes never throw.
 */
export function readNamedAnswer(
  packet: Uint8Array,
  names: ReadonlySet<string>,
): NamedAnswer | null {
  const message = udpPayload(packet);
  if (message === null || message.length > MESSAGE_BYTES_MAX) return null;
  const bytes = Buffer.from(message);
  try {
    // Nearly all are of other names: that takes no more than the question.
    if (!names.has(question.decode(bytes, DNS_HEADER_LENGTH).name.toLowerCase())) return null;
    const { questions, answers } = v.parse(ANSWER, decode(bytes));
    const name = questions[0]!.name.toLowerCase();
    // What has another name is there for the aliases of this one.
    const addresses = answers.flatMap(({ type, data }) =>
      (type === "A" || type === "AAAA") && typeof data === "string" && isIP(data) !== 0
        ? [canonicalAddress(data)]
        : []
    ).slice(0, ADDRESSES_MAX);
    return addresses.length === 0 ? null : { name, addresses };
  } catch {
    return null;
  }
}

/** Of a whole datagram from the port of DNS; null: it is none. */
function udpPayload(packet: Uint8Array): Uint8Array | null {
  const version = (packet[0] ?? 0) >> 4;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  let at: number;
  if (version === 4) {
    at = 4 * (packet[0]! & 0xf);
    if (at < IPV4_HEADER_LENGTH_MIN || packet.length < at || packet[9] !== PROTOCOL_UDP) {
      return null;
    }
    const isFragment = (view.getUint16(6) & 0x3fff) !== 0;
    if (isFragment) return null;
  } else if (version === 6) {
    at = IPV6_HEADER_LENGTH;
    if (packet.length < at || packet[6] !== PROTOCOL_UDP) return null;
  } else return null;
  if (packet.length < at + UDP_HEADER_LENGTH || view.getUint16(at) !== DNS_PORT) return null;
  const length = view.getUint16(at + 4);
  if (length < UDP_HEADER_LENGTH || at + length > packet.length) return null;
  return packet.subarray(at + UDP_HEADER_LENGTH, at + length);
}
