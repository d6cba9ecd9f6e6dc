/**
 * Values of prefixes that do not overlap, found by an address. Looking up takes a binary search and
 * allocates nothing.
 */
import { mergeCidr, parseCidr } from "cidr-tools";

const WORD_BITS = 32;
const WORDS = 4;

interface Entry<T> {
  readonly value: T;
  /** The first and the last address as unsigned words; IPv4 uses the last word. */
  readonly first: readonly [number, number, number, number];
  readonly last: readonly [number, number, number, number];
}

export class PrefixTable<T> {
  /** By family, sorted by address. */
  readonly #ipv4: Entry<T>[] = [];
  readonly #ipv6: Entry<T>[] = [];

  get size(): number {
    return this.#ipv4.length + this.#ipv6.length;
  }

  /** @throws RangeError for what is no prefix, or overlaps one that is in the table. */
  add(prefix: string, value: T): void {
    const { version, first, last } = rangeOf(prefix);
    const entries = version === 4 ? this.#ipv4 : this.#ipv6;
    const at = indexBehind(entries, ...first);
    const before = entries[at - 1], after = entries[at];
    if (
      before !== undefined && compare(before.last, first) >= 0 ||
      after !== undefined && compare(after.first, last) <= 0
    ) {
      throw new RangeError(`"${prefix}" overlaps another prefix`);
    }
    entries.splice(at, 0, { value, first, last });
  }

  /** Removes all prefixes of a value. */
  remove(value: T): void {
    for (const entries of [this.#ipv4, this.#ipv6]) {
      const kept = entries.filter((entry) => entry.value !== value);
      entries.splice(0, Infinity, ...kept);
    }
  }

  /** Hot. What the prefix around an address stands for. @param word3 the address of IPv4. */
  find(
    version: 4 | 6,
    word0: number,
    word1: number,
    word2: number,
    word3: number,
  ): T | undefined {
    const entries = version === 4 ? this.#ipv4 : this.#ipv6;
    const entry = entries[indexBehind(entries, word0, word1, word2, word3) - 1];
    return entry !== undefined && compareWords(entry.last, word0, word1, word2, word3) >= 0
      ? entry.value
      : undefined;
  }
}

/**
 * A set of prefixes, which may overlap. @throws RangeError for what is no prefix.
 */
export function prefixSet(prefixes: readonly string[]): PrefixTable<true> {
  const table = new PrefixTable<true>();
  for (const prefix of mergeCidr([...prefixes])) table.add(prefix, true);
  return table;
}

/** Hot. The index of the first entry that begins behind the address. */
function indexBehind<T>(
  entries: readonly Entry<T>[],
  word0: number,
  word1: number,
  word2: number,
  word3: number,
): number {
  let low = 0, high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareWords(entries[middle]!.first, word0, word1, word2, word3) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

type Words = Entry<unknown>["first"];

function compare(one: Words, other: Words): number {
  return compareWords(one, ...other);
}

/** Hot. Below 0, 0 or above 0 as `words` are less, equal or more than the other ones. */
function compareWords(
  words: Words,
  word0: number,
  word1: number,
  word2: number,
  word3: number,
): number {
  return words[0] - (word0 >>> 0) || words[1] - (word1 >>> 0) || words[2] - (word2 >>> 0) ||
    words[3] - (word3 >>> 0);
}

function rangeOf(prefix: string): { version: number; first: Words; last: Words } {
  let parsed: ReturnType<typeof parseCidr>;
  try {
    parsed = parseCidr(prefix);
  } catch {
    throw new RangeError(`"${prefix}" is not a prefix`);
  }
  const { version, start, end } = parsed;
  return { version, first: wordsOf(start), last: wordsOf(end) };
}

function wordsOf(address: bigint): Words {
  const word = (index: number) =>
    Number(BigInt.asUintN(WORD_BITS, address >> BigInt((WORDS - 1 - index) * WORD_BITS)));
  return [word(0), word(1), word(2), word(3)];
}
