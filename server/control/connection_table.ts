/**
 * Connections in one stage, bounded as a whole and for each owner: a source address while nobody has
 * proved anything, a client name afterwards. The newest attempt always gets in: when a bound is
 * reached the oldest entry under that bound makes room. So a flood shortens the time a handshake may
 * take, and a real client, which needs a few round trips, still gets through.
 *
 * Holds at most `total` entries and `perOwner` of one owner. Has no clock: the caller ends entries
 * that take too long.
 */
export class ConnectionTable<T> {
  readonly #total: number;
  readonly #perOwner: number;
  /** In order of arrival. */
  readonly #owners = new Map<T, string>();
  readonly #entriesOf = new Map<string, Set<T>>();

  /** Throws RangeError unless both bounds are whole numbers of at least 1. */
  constructor(total: number, perOwner: number) {
    for (const bound of [total, perOwner]) {
      if (!Number.isSafeInteger(bound) || bound < 1) {
        throw new RangeError(`Cannot bound connections at ${bound}: give a whole number from 1`);
      }
    }
    this.#total = total;
    this.#perOwner = perOwner;
  }

  get size(): number {
    return this.#owners.size;
  }

  /** Adds `entry`. Returns the entry that had to make room, for the caller to end, or null. */
  add(entry: T, owner: string): T | null {
    const siblings = this.#entriesOf.get(owner);
    const oldest = siblings !== undefined && siblings.size >= this.#perOwner
      ? first(siblings)
      : this.#owners.size >= this.#total
      ? first(this.#owners.keys())
      : null;
    if (oldest !== null) this.remove(oldest);
    this.#owners.set(entry, owner);
    const entries = this.#entriesOf.get(owner);
    if (entries === undefined) this.#entriesOf.set(owner, new Set([entry]));
    else entries.add(entry);
    return oldest;
  }

  /** Forgets `entry`. Does nothing when it is not there. */
  remove(entry: T): void {
    const owner = this.#owners.get(entry);
    if (owner === undefined) return;
    this.#owners.delete(entry);
    const entries = this.#entriesOf.get(owner);
    entries?.delete(entry);
    if (entries?.size === 0) this.#entriesOf.delete(owner);
  }
}

function first<T>(entries: Iterable<T>): T | null {
  for (const entry of entries) return entry;
  return null;
}
