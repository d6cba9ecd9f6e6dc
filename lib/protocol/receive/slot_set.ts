/**
 * A set of slot numbers 0 to capacity - 1 that finds its next member without looking at each slot:
 * one bit a slot, and one bit a word of those. A search looks at a few words, 1 for each 1024 slots
 * at most.
 */

const BITS_SHIFT = 5;
const SUMMARY_SHIFT = 2 * BITS_SHIFT;
const BIT_MASK = 31;

/** What `nextFrom` answers when there is no such slot. */
export const NO_SLOT = -1;

export class SlotSet {
  readonly #words: Uint32Array;
  readonly #summary: Uint32Array;

  constructor(capacity: number) {
    this.#words = new Uint32Array((capacity >>> BITS_SHIFT) + 1);
    this.#summary = new Uint32Array((capacity >>> SUMMARY_SHIFT) + 1);
  }

  has(slot: number): boolean {
    return (this.#words[slot >>> BITS_SHIFT]! & (1 << (slot & BIT_MASK))) !== 0;
  }

  add(slot: number): void {
    const word = slot >>> BITS_SHIFT;
    this.#words[word]! |= 1 << (slot & BIT_MASK);
    this.#summary[slot >>> SUMMARY_SHIFT]! |= 1 << (word & BIT_MASK);
  }

  delete(slot: number): void {
    const word = slot >>> BITS_SHIFT;
    const rest = this.#words[word]! & ~(1 << (slot & BIT_MASK));
    this.#words[word] = rest;
    if (rest === 0) this.#summary[slot >>> SUMMARY_SHIFT]! &= ~(1 << (word & BIT_MASK));
  }

  /** The lowest member that is `slot` or above, or NO_SLOT. */
  nextFrom(slot: number): number {
    const word = slot >>> BITS_SHIFT;
    const bits = this.#words[word]! & (-1 << (slot & BIT_MASK));
    if (bits !== 0) return (word << BITS_SHIFT) + lowestBit(bits);
    return this.#nextInSummary(word + 1);
  }

  #nextInSummary(fromWord: number): number {
    let bits = -1 << (fromWord & BIT_MASK);
    for (let index = fromWord >>> BITS_SHIFT; index < this.#summary.length; index++) {
      bits &= this.#summary[index]!;
      if (bits !== 0) {
        const word = (index << BITS_SHIFT) + lowestBit(bits);
        return (word << BITS_SHIFT) + lowestBit(this.#words[word]!);
      }
      bits = -1;
    }
    return NO_SLOT;
  }
}

/** The number of the lowest bit set in `bits`, which is not 0. */
function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}
