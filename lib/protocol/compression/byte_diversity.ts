/** How many different bytes a sample of a payload has: a cheap test for encrypted data. */

const SAMPLES = 128;
/**
 * Of 128 random bytes some 101 differ, give or take 4; of bytes that deflate can take an eighth
 * off by their frequencies alone, 80 at most; of base64 some 55, of text 20 to 45.
 */
const DISTINCT_MAX = 80;
const BYTE_VALUES = 256;

export class ByteDiversity {
  /** Under each byte value the number of the last sample it was seen in. */
  readonly #seenIn = new Uint32Array(BYTE_VALUES);
  #sample = 0;

  /**
   * Hot. Whether the `length` bytes at `offset` may deflate well: false for encrypted and compressed
   * data. Long patterns of evenly spread bytes are mistaken for those.
   */
  looksCompressible(bytes: Uint8Array, offset: number, length: number): boolean {
    return this.countDistinct(bytes, offset, length) <= DISTINCT_MAX;
  }

  /** Hot. The different bytes among at most 128, spread evenly over the `length` at `offset`. */
  countDistinct(bytes: Uint8Array, offset: number, length: number): number {
    const seenIn = this.#seenIn;
    const sample = this.#sample = (this.#sample + 1) >>> 0;
    // An odd step visits every byte of fields of 2, 4 and 8 bytes, not only their highest.
    const step = length < 2 * SAMPLES ? 1 : (Math.floor(length / SAMPLES) - 1) | 1;
    const end = offset + Math.min(length, step * SAMPLES);
    let distinct = 0;
    for (let at = offset; at < end; at += step) {
      const byte = bytes[at]!;
      if (seenIn[byte] !== sample) distinct++;
      seenIn[byte] = sample;
    }
    return distinct;
  }
}
