/** Which addresses of the server links have got no answer from, so that others are tried. */

/** A path that is not up for so long is tried over another address of the server. */
export const OTHER_ADDRESS_AFTER_MS = 5000;

export class SilentWays {
  /** By link and address: when a path that led there was last given up. */
  readonly #gaveUpMs = new Map<string, number>();
  /** By link: since when its path is not up. */
  readonly #sinceMs = new Map<string, number>();

  /** The link's path is up, or there is none. */
  notSilent(link: string): void {
    this.#sinceMs.delete(link);
  }

  /** The link's path to `address` is not up. Returns whether that has lasted too long. */
  silentAt(link: string, address: string, nowMs: number): boolean {
    const sinceMs = this.#sinceMs.get(link);
    if (sinceMs === undefined) this.#sinceMs.set(link, nowMs);
    if (sinceMs === undefined || nowMs - sinceMs < OTHER_ADDRESS_AFTER_MS) return false;
    this.#gaveUpMs.set(`${link} ${address}`, nowMs);
    this.#sinceMs.delete(link);
    return true;
  }

  /** When the link's path to `address` was last given up; -Infinity for never. */
  gaveUpMs(link: string, address: string): number {
    return this.#gaveUpMs.get(`${link} ${address}`) ?? -Infinity;
  }
}
