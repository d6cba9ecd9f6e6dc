/**
 * The round trip of one path: the last one, the least, and its averages. Smoothed and variation
 * follow RFC 6298 (gains 1/8 and 1/4), jitter is the mean deviation of RFC 3550 (gain 1/16) between
 * consecutive round trips. All in milliseconds; null before the first measurement.
 */

/** A longer round trip is taken for an answer to something else. */
export const RTT_MAX_MS = 10_000;

const SMOOTHED_GAIN = 1 / 8;
const VARIATION_GAIN = 1 / 4;
const JITTER_GAIN = 1 / 16;

export class Rtt {
  #count = 0;
  #lastMs: number | null = null;
  #smoothedMs: number | null = null;
  #minimumMs: number | null = null;
  #variationMs: number | null = null;
  #jitterMs: number | null = null;

  /** Measurements taken. */
  get count(): number {
    return this.#count;
  }

  get lastMs(): number | null {
    return this.#lastMs;
  }

  get smoothedMs(): number | null {
    return this.#smoothedMs;
  }

  get minimumMs(): number | null {
    return this.#minimumMs;
  }

  get variationMs(): number | null {
    return this.#variationMs;
  }

  /** From the second measurement on. */
  get jitterMs(): number | null {
    return this.#jitterMs;
  }

  /** Takes a round trip of 0 to RTT_MAX_MS. False: out of range, nothing changed. */
  add(roundTripMs: number): boolean {
    if (!(roundTripMs >= 0 && roundTripMs <= RTT_MAX_MS)) return false;
    if (this.#lastMs === null) {
      this.#smoothedMs = roundTripMs;
      this.#variationMs = roundTripMs / 2;
      this.#minimumMs = roundTripMs;
    } else {
      const deviation = Math.abs(this.#smoothedMs! - roundTripMs);
      this.#variationMs! += VARIATION_GAIN * (deviation - this.#variationMs!);
      this.#smoothedMs! += SMOOTHED_GAIN * (roundTripMs - this.#smoothedMs!);
      this.#minimumMs = Math.min(this.#minimumMs!, roundTripMs);
      const jitterMs = this.#jitterMs ?? 0;
      this.#jitterMs = jitterMs + JITTER_GAIN * (Math.abs(roundTripMs - this.#lastMs) - jitterMs);
    }
    this.#lastMs = roundTripMs;
    this.#count++;
    return true;
  }

  /** Forgets everything, for a link that leads elsewhere than before. */
  reset(): void {
    this.#count = 0;
    this.#lastMs = this.#smoothedMs = this.#minimumMs = null;
    this.#variationMs = this.#jitterMs = null;
  }
}
