/** Pseudo-random numbers from a seed (xorshift32), so that a run with losses can be repeated. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    // Seeds that differ by little must not begin alike, and the state must not be zero.
    this.#state = Math.imul(seed | 0, 0x9e3779b1) ^ 0x5bd1e995 || 1;
    for (let i = 0; i < 8; i++) this.next();
  }

  /** Uniform in [0, 1). */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return (x >>> 0) / 2 ** 32;
  }
}
