/**
 * When the next record may leave on a path. Records leave at the path's rate, those of half a
 * millisecond together: one send and one wake-up for all of them. What was missed while the caller
 * slept may be caught up in a burst, of {@link BURST_MS} unless told, no more. Has no clock.
 */

/** A caller that wakes every few milliseconds, as on a busy machine, still sends at the full rate. */
export const BURST_MS = 3;
/** What is due within so much leaves with the first record, unless told. */
export const BATCH_MS = 0.5;
/** A batch may begin so much early, so that the batches of several paths leave at the same time. */
const EARLY_MS = 0.25;

export class Pacer {
  readonly #burstMs: number;
  #nextAt = -Infinity;
  /** When the last record left. */
  #leftAt = -Infinity;

  constructor(burstMs = BURST_MS) {
    this.#burstMs = burstMs;
  }

  /** When the next batch of records is due, in milliseconds of the caller's clock. */
  get nextAt(): number {
    return this.#nextAt;
  }

  /** Hot. @param batchMs what is due within so much leaves together. */
  mayDepart(now: number, batchMs = BATCH_MS): boolean {
    return this.#nextAt <= now + (now === this.#leftAt ? batchMs : EARLY_MS);
  }

  /**
   * Hot. A record of `bytes` leaves now.
   * @param rate bytes a millisecond, above 0.
   */
  departed(bytes: number, rate: number, now: number): void {
    this.#nextAt = Math.max(this.#nextAt, now - this.#burstMs) + bytes / rate;
    this.#leftAt = now;
  }

  /** What has left does not hold back what comes. */
  forget(): void {
    this.#nextAt = -Infinity;
  }

  /** Hot. How long what has left still occupies the path, in ms. */
  debt(now: number): number {
    return Math.max(0, this.#nextAt - now);
  }
}
