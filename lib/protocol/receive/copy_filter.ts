/**
 * Lets the first copy of each packet through. Numbers are u32 and wrap; one is newer than another
 * when it is less than half the circle ahead (RFC 1982).
 */

const WORD_BITS = 32;
const WORDS = 128;
/** Numbers remembered, the newest included; the word being filled does not count. */
export const COPY_WINDOW = (WORDS - 1) * WORD_BITS;

export class CopyFilter {
  readonly #words = new Uint32Array(WORDS);
  #highest = 0;
  #isEmpty = true;

  /** Marks the number as seen. False: it was, or it is too old to tell. */
  accept(sequence: number): boolean {
    if (this.#isEmpty) {
      this.#isEmpty = false;
      this.#highest = sequence;
    }
    const ahead = (sequence - this.#highest) | 0;
    if (ahead > 0) this.#advance(sequence, ahead);
    else if (-ahead >= COPY_WINDOW) return false;
    const word = (sequence >>> 5) % WORDS;
    const bit = 1 << (sequence & 31);
    if ((this.#words[word]! & bit) !== 0) return false;
    this.#words[word]! |= bit;
    return true;
  }

  #advance(sequence: number, ahead: number): void {
    const from = this.#highest >>> 5;
    const count = Math.min(WORDS, Math.ceil((ahead + (this.#highest & 31) - 31) / WORD_BITS));
    for (let offset = 1; offset <= count; offset++) this.#words[(from + offset) % WORDS] = 0;
    this.#highest = sequence;
  }
}
