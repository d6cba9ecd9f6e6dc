/** The rate at which a path delivers, in bytes a second, and whether that is all it carries. */

/** A path whose queue was filled within this is full. */
const FULL_KEPT_MS = 1000;
/** Arrivals are counted over so long, */
const INTERVAL_MS = 250;
/** and averaged with this gain. */
const GAIN = 1 / 2;
/** The rate of a full path is outdated after this. */
const FULL_RATE_KEPT_MS = 60_000;
/** Bytes a second: no path that is slower is worth knowing the rate of. */
const FULL_RATE_MIN = 12_500;

export class ArrivalRate {
  #bytes = 0;
  #intervalMs = 0;
  #wasFull = true;
  #rate = 0;
  #fullRate: number | null = null;
  #fullRateAt = -Infinity;
  #fullAt = -Infinity;

  /** So many bytes arrived in `intervalMs`, during which the queue was filled, or not. */
  add(bytes: number, intervalMs: number, isQueued: boolean, now: number): void {
    if (isQueued) this.#fullAt = now;
    this.#bytes += bytes;
    this.#intervalMs += intervalMs;
    this.#wasFull &&= isQueued;
    if (this.#intervalMs < INTERVAL_MS) return;
    const rate = 1000 * this.#bytes / this.#intervalMs;
    this.#rate = averaged(this.#rate, rate);
    if (this.#wasFull && rate >= FULL_RATE_MIN) {
      this.#fullRate = averaged(this.#fullRate ?? rate, rate);
      this.#fullRateAt = now;
    }
    this.#bytes = this.#intervalMs = 0;
    this.#wasFull = true;
  }

  /** Of late. */
  get rate(): number {
    return this.#rate;
  }

  /** What arrived when the path was full last; null when it was not for a minute. */
  fullRate(now: number): number | null {
    return now - this.#fullRateAt < FULL_RATE_KEPT_MS ? this.#fullRate : null;
  }

  /** Whether the queue was filled a moment ago. */
  isFull(now: number): boolean {
    return now - this.#fullAt < FULL_KEPT_MS;
  }

  reset(): void {
    this.#bytes = this.#intervalMs = this.#rate = 0;
    this.#wasFull = true;
    this.#fullRate = null;
    this.#fullAt = -Infinity;
  }
}

function averaged(before: number, value: number): number {
  return before + GAIN * (value - before);
}
