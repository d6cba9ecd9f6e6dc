import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { canonicalAddress, sameAddress } from "../../lib/host/links/address.ts";
import { abortedError, ControlError } from "./control_error.ts";

export interface ServerAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** An address of the server, and the name or address its certificate must be for. */
export interface NamedAddress extends ServerAddress {
  readonly host: string;
}

/** Finds the addresses of a name. Throws an Error when there are none. */
export type LookUp = (name: string) => Promise<readonly ServerAddress[]>;

/** More than a server has in practice; each costs a share of the time for an exchange. */
export const SERVER_ADDRESSES_MAX = 8;

/** As resolveHost(), at most SERVER_ADDRESSES_MAX of them. */
export async function resolveServer(
  host: string,
  lookUp: LookUp = askSystem,
): Promise<ServerAddress[]> {
  return (await resolveHost(host, "the server", lookUp)).slice(0, SERVER_ADDRESSES_MAX);
}

/**
 * Finds the addresses of `host`, which may be a name or an IP address, brackets around an IPv6
 * address allowed. IPv6 and IPv4 alternate, first the family that the system prefers: one dead
 * family then costs one attempt. At least one address. `what` it is, people are told.
 *
 * Throws ControlError "name not found".
 */
export async function resolveHost(
  host: string,
  what: string,
  lookUp: LookUp = askSystem,
): Promise<ServerAddress[]> {
  const literal = plainHost(host);
  const family = isIP(literal);
  if (family === 4 || family === 6) return [{ address: canonicalAddress(literal), family }];
  let addresses: readonly ServerAddress[];
  try {
    addresses = await lookUp(literal);
  } catch (error) {
    throw nameNotFound(host, what, (error as NodeJS.ErrnoException).code);
  }
  if (addresses.length === 0) throw nameNotFound(host, what, "ENODATA");
  return alternateFamilies(addresses);
}

/** Asks whom the system asks. Throws an Error with a `code`. */
export async function askSystem(name: string): Promise<ServerAddress[]> {
  const found = await lookup(name, { all: true, verbatim: true });
  return found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }));
}

/**
 * The addresses of one server that goes by several names or addresses, as in
 * "203.0.113.10,2001:db8:113::10", in the order of resolveServer(). A name that is not found does
 * not count as long as another is.
 *
 * Throws ControlError "name not found" when none is.
 */
export async function resolveServers(
  hosts: string,
  lookUp: LookUp = askSystem,
): Promise<NamedAddress[]> {
  const answers = await Promise.allSettled(
    hosts.split(",").map(async (host) => {
      const addresses = await resolveServer(host, lookUp);
      return addresses.map((address) => ({ ...address, host: plainHost(host) }));
    }),
  );
  const found = answers.flatMap((answer) => answer.status === "fulfilled" ? answer.value : []);
  const failure = answers.find((answer) => answer.status === "rejected");
  if (found.length === 0) throw failure?.reason;
  return alternateFamilies(found).slice(0, SERVER_ADDRESSES_MAX);
}

/**
 * What `asked` resolves to, in time. The system's resolver cannot be interrupted, so what it finds too
 * late is dropped.
 *
 * Throws ControlError "name not found" after `timeoutMs`, "aborted" with `signal`; what `asked` throws.
 */
export async function answerWithin<Answer>(
  asked: Promise<Answer>,
  host: string,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<Answer> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(abortedError());
  const timer = setTimeout(() => reject(resolverTimeout(host, timeoutMs)), timeoutMs);
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted) onAbort();
  try {
    return await Promise.race([asked, promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Which of `hosts`, comma-separated, an address is of: itself, or the first name. */
export function hostFor(hosts: string, address: string): string {
  const all = hosts.split(",").map(plainHost);
  const isName = (host: string) => isIP(host) === 0;
  return all.find((host) => !isName(host) && sameAddress(host, address)) ??
    all.find(isName) ?? address;
}

/** Takes the brackets off an IPv6 address; certificates and sockets want it without. */
export function plainHost(host: string): string {
  const bracketed = /^\[(.*)\]$/.exec(host)?.[1];
  return bracketed !== undefined && isIP(bracketed) === 6 ? bracketed : host;
}

/** Keeps the order within each family. */
export function alternateFamilies<Address extends ServerAddress>(
  addresses: readonly Address[],
): Address[] {
  const preferred = addresses[0]?.family;
  const first = addresses.filter(({ family }) => family === preferred);
  const second = addresses.filter(({ family }) => family !== preferred);
  const mixed: Address[] = [];
  for (let i = 0; i < Math.max(first.length, second.length); i++) {
    mixed.push(...first.slice(i, i + 1), ...second.slice(i, i + 1));
  }
  return mixed;
}

function nameNotFound(host: string, what: string, code: string | undefined): ControlError {
  return new ControlError(
    "name not found",
    `Cannot find ${what} '${host}' (${code ?? "no answer"}); check the spelling, and that DNS ` +
      "works on this machine",
    { retryable: true },
  );
}

function resolverTimeout(host: string, timeoutMs: number): ControlError {
  return new ControlError(
    "name not found",
    `Cannot find '${host}': no answer from DNS within ${timeoutMs} ms; check that DNS works on this ` +
      "machine",
    { retryable: true },
  );
}
