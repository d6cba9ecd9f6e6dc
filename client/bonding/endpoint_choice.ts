/**
 * Which of the server's addresses each link uses: the one in use as long as it answers, else the one
 * that granted the session. Those that a link got no answer from come last. Has no clock.
 */
import type { LinkRoute } from "./link_state.ts";

/** A path that is not up for so long is tried over another address of the server. */
const OTHER_ADDRESS_AFTER_MS = 5000;
/** The same of an address that has never answered on the link: a far one does within a second. */
export const FIRST_ANSWER_AFTER_MS = 2500;

interface Known {
  hasAnswered: boolean;
  /** When a path that led there was last given up; -Infinity for never. */
  gaveUpMs: number;
}

export class EndpointChoice {
  /** By link, then by address. */
  readonly #known = new Map<string, Map<string, Known>>();
  /** By link: since when its path is not up. */
  readonly #sinceMs = new Map<string, number>();
  #granter: string | null = null;
  #isAnew = false;

  /** The link's path to `address` is up. */
  answers(link: string, address: string): void {
    this.#of(link, address).hasAnswered = true;
    this.#sinceMs.delete(link);
  }

  /** The link has no path. */
  hasNoPath(link: string): void {
    this.#sinceMs.delete(link);
  }

  /** The link's path to `address` is not up. Returns whether to give that address up. */
  isSilent(link: string, address: string, nowMs: number): boolean {
    const known = this.#of(link, address);
    const patienceMs = known.hasAnswered ? OTHER_ADDRESS_AFTER_MS : FIRST_ANSWER_AFTER_MS;
    if (nowMs - this.#sinceMs.getOrInsert(link, nowMs) < patienceMs) return false;
    known.gaveUpMs = nowMs;
    this.#sinceMs.delete(link);
    return true;
  }

  /**
   * The server has granted a session at `address`. `anew`: of the one before nothing works any more,
   * so this address is better than one in use, until settled().
   */
  grantedBy(address: string, how: "anew" | "renewed"): void {
    this.#granter = address;
    this.#isAnew = how === "anew";
  }

  /** Each link has got its address for the session. */
  settled(): void {
    this.#isAnew = false;
  }

  /** Forgets other links than `links`, and other addresses than `addresses`. */
  keepOnly(links: readonly string[], addresses: readonly string[]): void {
    for (const [link, known] of this.#known) {
      if (!links.includes(link)) this.#known.delete(link);
      for (const address of known.keys()) if (!addresses.includes(address)) known.delete(address);
    }
  }

  /** @param inUse the address the link uses, or null. */
  choose(
    link: string,
    inUse: string | null,
    routes: readonly [LinkRoute, ...LinkRoute[]],
  ): LinkRoute {
    const known = this.#known.get(link);
    const gaveUp = ({ server }: LinkRoute) => known?.get(server.address)?.gaveUpMs ?? -Infinity;
    const order = this.#isAnew ? [this.#granter, inUse] : [inUse, this.#granter];
    const rank = ({ server }: LinkRoute) => {
      const at = order.indexOf(server.address);
      return at < 0 ? order.length : at;
    };
    return routes.reduce((chosen, route) => {
      if (gaveUp(route) !== gaveUp(chosen)) return gaveUp(route) < gaveUp(chosen) ? route : chosen;
      return rank(route) < rank(chosen) ? route : chosen;
    });
  }

  #of(link: string, address: string): Known {
    return this.#known.getOrInsertComputed(link, () => new Map<string, Known>())
      .getOrInsertComputed(address, () => ({ hasAnswered: false, gaveUpMs: -Infinity }));
  }
}
