/** The minimum over a sliding window of time, which is divided into buckets. */
export class WindowedMinimum {
  readonly #bucketMs: number;
  readonly #minima: Float64Array;
  #newest = -Infinity;

  /** Remembers `buckets` times `bucketMs`, the bucket being filled included. */
  constructor(bucketMs: number, buckets: number) {
    this.#bucketMs = bucketMs;
    this.#minima = new Float64Array(buckets).fill(Infinity);
  }

  add(value: number, now: number): void {
    const bucket = this.#turnTo(now);
    if (value < this.#minima[bucket]!) this.#minima[bucket] = value;
  }

  /** Infinity when there was nothing in the window. */
  least(now: number): number {
    this.#turnTo(now);
    let least = Infinity;
    for (const minimum of this.#minima) if (minimum < least) least = minimum;
    return least;
  }

  reset(): void {
    this.#minima.fill(Infinity);
  }

  /** Empties the buckets that time has passed over. Returns the index of the present one. */
  #turnTo(now: number): number {
    const count = this.#minima.length;
    const present = Math.floor(now / this.#bucketMs);
    const passed = Math.min(count, present - this.#newest);
    for (let back = 0; back < passed; back++) this.#minima[(present - back) % count] = Infinity;
    if (present > this.#newest) this.#newest = present;
    return present % count;
  }
}
