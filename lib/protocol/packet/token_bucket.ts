/** Lets `perSecond` events a second through, and after a rest up to `burst` at once. */
export class TokenBucket {
  readonly #perMs: number;
  readonly #burst: number;
  #tokens: number;
  #filledAt: number | null = null;

  /** Throws RangeError for a rate that is not above 0, or a burst below 1. */
  constructor(perSecond: number, burst: number) {
    if (!(perSecond > 0 && perSecond < Infinity && burst >= 1 && burst < Infinity)) {
      throw new RangeError("Cannot limit a rate: use a rate above 0 and a burst of 1 or more");
    }
    this.#perMs = perSecond / 1000;
    this.#burst = this.#tokens = burst;
  }

  /** Whether one more event may happen at `now`, in milliseconds; if so, it counts. Hot. */
  take(now: number): boolean {
    const elapsedMs = Math.max(0, now - (this.#filledAt ?? now));
    this.#tokens = Math.min(this.#burst, this.#tokens + elapsedMs * this.#perMs);
    this.#filledAt = Math.max(now, this.#filledAt ?? now);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
