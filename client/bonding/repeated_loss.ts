/**
 * Tells when the session is lost over and over though the server gives a new one at once: that is how
 * it looks to a machine whose certificate another machine uses, too. Has no clock; times are
 * milliseconds of any steady origin.
 */

const LOSSES_MIN = 3;
/** Two machines take the session from each other every 11 s, so each loses it every 22 s. */
const WITHIN_MS = 60_000;
/** Without being lost so often for this long, it is over. */
const OVER_AFTER_MS = 600_000;

export class RepeatedLoss {
  /** When the session was lost, of late; the oldest first. */
  #lostMs: number[] = [];
  #seenMs = -Infinity;

  /** The session was lost, and the first attempt got a new one. Returns whether to tell the user. */
  replacedAtOnce(nowMs: number): boolean {
    this.#lostMs = [...this.#lostMs, nowMs].slice(-LOSSES_MIN);
    if (this.#lostMs.length < LOSSES_MIN || nowMs - this.#lostMs[0]! > WITHIN_MS) return false;
    const isNew = nowMs - this.#seenMs >= OVER_AFTER_MS;
    this.#seenMs = nowMs;
    return isNew;
  }

  /** The server was not to be reached, or the paths answered again: the network was at fault. */
  isNetwork(): void {
    this.#lostMs = [];
  }
}
