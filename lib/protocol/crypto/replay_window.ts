/**
 * Refuses a packet whose counter has been seen, or is too old to tell (RFC 6479). One window per
 * key, path and sender: paths differ by more than any window once they are fast and far apart.
 *
 * The promise: of the last REPLAY_WINDOW_LENGTH counters each is accepted at most once, and nothing
 * older ever is. A packet is asked about before it is authenticated (`isFresh`) and moves the
 * window only after (`accept`), so a forged counter changes nothing.
 */

const WORD_BITS = 32;
const WORD_SHIFT = 5;
const WORD_COUNT = 256;
const WORD_MASK = WORD_COUNT - 1;

/**
 * Counters remembered, the highest included. One word of the ring is always the one being filled,
 * so the words behind it are what can be relied on.
 */
export const REPLAY_WINDOW_LENGTH = (WORD_COUNT - 1) * WORD_BITS;

export class ReplayWindow {
  readonly #words = new Uint32Array(WORD_COUNT);
  #highest = 0;

  /** The highest counter accepted, 0 before the first. */
  get highest(): number {
    return this.#highest;
  }

  /**
   * Whether `counter` (u32, from 1) could be accepted. Changes nothing; false for anything else.
   */
  isFresh(counter: number): boolean {
    if (counter === 0 || counter >>> 0 !== counter) return false;
    if (counter > this.#highest) return true;
    if (this.#highest - counter >= REPLAY_WINDOW_LENGTH) return false;
    return (this.#words[(counter >>> WORD_SHIFT) & WORD_MASK]! & (1 << (counter & 31))) === 0;
  }

  /** Marks the counter of an authenticated packet as seen. False: replayed or too old, drop it. */
  accept(counter: number): boolean {
    if (!this.isFresh(counter)) return false;
    const word = counter >>> WORD_SHIFT;
    if (counter > this.#highest) {
      this.#clearWords(this.#highest >>> WORD_SHIFT, word);
      this.#highest = counter;
    }
    this.#words[word & WORD_MASK]! |= 1 << (counter & 31);
    return true;
  }

  /** Forgets what the ring held at the words after `from` up to `to`: at most one turn of it. */
  #clearWords(from: number, to: number): void {
    const count = Math.min(to - from, WORD_COUNT);
    for (let offset = 1; offset <= count; offset++) this.#words[(from + offset) & WORD_MASK] = 0;
  }
}
