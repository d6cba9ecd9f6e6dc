/**
 * Destinations as prefixes: those that were given, and the addresses of those that were named. A name
 * is looked up again and again; what it meant lately still counts, as connections and caches know it.
 */
import { messageOf } from "../../lib/ffi/error_text.ts";
import { canonicalAddress, hostPrefix, prefixContains } from "../../lib/host/links/address.ts";
import type { Destinations } from "../config/destinations.ts";

/** What a name means now. */
export type LookUp = (name: string) => Promise<readonly { readonly address: string }[]>;

/**
 * Where answers change from one to the next, programs may be told addresses that we are not. A cache that
 * both ask (systemd-resolved, dnsmasq) gives both the same ones for as long as it keeps them, mostly 20 s
 * and more.
 */
const AGAIN_AFTER_MS = 15_000;
/** After a name was not found. */
const RETRY_AFTER_MS = 10_000;
const KEPT_MS = 600_000;
/** Of one name: the least recent ones make room, which is said. */
export const ADDRESSES_MAX = 64;

/** Whatever a name server says: this machine itself, the link alone, and all that is no single host. */
const NO_DESTINATIONS = [
  ...["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"],
  ...["::/96", "::ffff:0:0/96", "fe80::/10", "ff00::/8"],
];

interface Named {
  /** By address, when it was found last. */
  readonly found: Map<string, number>;
  dueAtMs: number;
  problem: string | null;
  /** Whether some had to make room that still counted. */
  isCrowded: boolean;
}

export class DestinationAddresses {
  readonly #destinations: Destinations;
  readonly #lookUp: LookUp;
  readonly #names: ReadonlyMap<string, Named>;
  readonly #reserved: ReadonlySet<string>;

  /** @param reserved addresses that no name stands for, whoever says so. */
  constructor(destinations: Destinations, lookUp: LookUp, reserved: readonly string[] = []) {
    this.#reserved = new Set(reserved.map(canonicalAddress));
    this.#destinations = destinations;
    this.#lookUp = lookUp;
    this.#names = new Map(
      destinations.names.map((
        name,
      ) => [name, { found: new Map(), dueAtMs: 0, problem: null, isCrowded: false }]),
    );
  }

  /** As the user gave them, in lower case. */
  get names(): readonly string[] {
    return this.#destinations.names;
  }

  /** In the order of the user, then of the names. */
  get prefixes(): string[] {
    const named = [...this.#names.values()].flatMap(({ found }) => [...found.keys()]);
    return [...new Set([...this.#destinations.prefixes, ...named.map(hostPrefix)])];
  }

  /** Whether names are to be looked up. */
  isDue(nowMs: number): boolean {
    return [...this.#names.values()].some(({ dueAtMs }) => dueAtMs <= nowMs);
  }

  /**
   * Looks up the names that are due. Returns a line for people about each that cannot be found, or has
   * too many addresses, once for as long as it is so.
   */
  async refresh(nowMs: number): Promise<string[]> {
    const due = [...this.#names].filter(([, { dueAtMs }]) => dueAtMs <= nowMs);
    const lines = await Promise.all(due.map(([name, named]) => this.#refresh(name, named, nowMs)));
    return lines.filter((line) => line !== null);
  }

  /**
   * Somebody was told that a name has these addresses. Returns those that are new; none of other names.
   */
  learned(name: string, addresses: readonly string[], nowMs: number): string[] {
    const named = this.#names.get(name);
    if (named === undefined) return [];
    const news = addresses.filter((address) => !named.found.has(address));
    note(named, this.meant(addresses), nowMs);
    return news.filter((address) => named.found.has(address));
  }

  /** Those of `addresses` that a name may stand for: of other hosts, and not reserved. */
  meant(addresses: readonly string[]): string[] {
    return addresses.map(canonicalAddress)
      .filter((address) => isDestination(address) && !this.#reserved.has(address));
  }

  async #refresh(name: string, named: Named, nowMs: number): Promise<string | null> {
    try {
      const answer = await this.#lookUp(name);
      const wasCrowded = named.isCrowded;
      note(named, this.meant(answer.map(({ address }) => address)), nowMs);
      named.dueAtMs = nowMs + AGAIN_AFTER_MS;
      named.problem = null;
      return named.isCrowded && !wasCrowded
        ? `${name} has more addresses than ${ADDRESSES_MAX}: those found longest ago are left out`
        : null;
    } catch (error) {
      named.dueAtMs = nowMs + RETRY_AFTER_MS;
      const isNews = named.problem === null;
      named.problem = messageOf(error);
      return isNews ? `${named.problem}; what is known of ${name} stays` : null;
    }
  }
}

/** Whether that is the address of another host, which a name may stand for. */
function isDestination(address: string): boolean {
  return !NO_DESTINATIONS.some((prefix) => prefixContains(prefix, address));
}

function note(named: Named, addresses: readonly string[], nowMs: number): void {
  const { found } = named;
  for (const address of addresses) {
    found.delete(address);
    found.set(address, nowMs);
  }
  for (const [address, atMs] of found) if (nowMs - atMs > KEPT_MS) found.delete(address);
  named.isCrowded = found.size > ADDRESSES_MAX;
  for (const address of found.keys()) if (found.size > ADDRESSES_MAX) found.delete(address);
}
