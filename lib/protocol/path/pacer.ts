/**
 * When the next record may leave on a path. Records leave at the path's rate; what was missed while
 * the caller slept may be caught up in a burst of {@link BURST_MS}, no more. Has no clock.
 */

/** A caller that wakes every few milliseconds, as on a busy machine, still sends at the full rate. */
export const BURST_MS = 3;

export class Pacer {
  #nextAt = -Infinity;

  /** When the next record may leave, in milliseconds of the caller's clock. */
  get nextAt(): number {
    return this.#nextAt;
  }

  /** Hot. */
  mayDepart(now: number): boolean {
    return this.#nextAt <= now;
  }

  /**
   * Hot. A record of `bytes` leaves now.
   * @param rate bytes a millisecond, above 0.
   */
  departed(bytes: number, rate: number, now: number): void {
    this.#nextAt = Math.max(this.#nextAt, now - BURST_MS) + bytes / rate;
  }

  /** Hot. How long what has left still occupies the path, in ms. */
  debt(now: number): number {
    return Math.max(0, this.#nextAt - now);
  }
}
