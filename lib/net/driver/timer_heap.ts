/** A binary heap of deadlines. Any item can be rescheduled or removed. */

/** An item with a deadline. The fields belong to its heap. */
export interface Timed {
  /** Infinity outside the heap. */
  dueAt: number;
  heapIndex: number;
}

const OUTSIDE = -1;

export class TimerHeap<T extends Timed> {
  readonly #items: T[] = [];

  /** When the first item is due; Infinity without any. */
  get nextAt(): number {
    return this.#items.length === 0 ? Infinity : this.#items[0]!.dueAt;
  }

  /** The item that is due first, of those due at `now`; null: none is. */
  due(now: number): T | null {
    const [first] = this.#items;
    return first !== undefined && first.dueAt <= now ? first : null;
  }

  /** Hot. Sets the deadline of an item, which is put in when it is not there yet. */
  schedule(item: T, at: number): void {
    if (item.heapIndex === OUTSIDE) {
      item.dueAt = at;
      item.heapIndex = this.#items.push(item) - 1;
      this.#siftUp(item);
      return;
    }
    const isEarlier = at < item.dueAt;
    item.dueAt = at;
    if (isEarlier) this.#siftUp(item);
    else this.#siftDown(item);
  }

  /** Takes an item out; nothing happens when it is not in. */
  remove(item: T): void {
    const index = item.heapIndex;
    if (index === OUTSIDE) return;
    item.heapIndex = OUTSIDE;
    item.dueAt = Infinity;
    const last = this.#items.pop()!;
    if (last === item) return;
    this.#place(last, index);
    this.#siftUp(last);
    this.#siftDown(last);
  }

  #siftUp(item: T): void {
    let index = item.heapIndex;
    while (index > 0) {
      const parent = this.#items[(index - 1) >> 1]!;
      if (parent.dueAt <= item.dueAt) break;
      const above = parent.heapIndex;
      this.#place(parent, index);
      index = above;
    }
    this.#place(item, index);
  }

  #siftDown(item: T): void {
    const items = this.#items;
    let index = item.heapIndex;
    for (;;) {
      const left = items[2 * index + 1];
      const right = items[2 * index + 2];
      const child = right !== undefined && right.dueAt < left!.dueAt ? right : left;
      if (child === undefined || child.dueAt >= item.dueAt) break;
      const below = child.heapIndex;
      this.#place(child, index);
      index = below;
    }
    this.#place(item, index);
  }

  #place(item: T, index: number): void {
    this.#items[index] = item;
    item.heapIndex = index;
  }
}
