/**
 * What may wait when a path is gone: all that its senders had on their way then. So none of them is
 * told to slow down. What is dropped, a receiver would wait for; the path may be back soon; and a
 * sender that has halved its window takes seconds to find the sum again. Others do not wait for it
 * (`fair_queue.ts`). Where the path stays away, the excess is forgotten little by little.
 */

/** So long after a path went, and then less and less. */
const FULL_MS = 10_000;
const FORGET_MS = 10_000;
/** What has arrived and waits at the receiver for what has not is on nobody's path. */
const HELD_FACTOR = 1.5;
export const CUT_GRACE_MS = FULL_MS + FORGET_MS;

/** When a path last gave back what it had, and what all paths had then, in bytes. */
interface GivenBack {
  readonly gaveBackAt: number;
  readonly gaveBackBytes: number;
}

export class CutGrace {
  #seenAt = -Infinity;
  #bytes = 0;

  /** Hot. @param waiting bytes for which no path was chosen yet. */
  bytes({ gaveBackAt, gaveBackBytes }: GivenBack, waiting: number, now: number): number {
    if (gaveBackAt === -Infinity) return 0;
    if (gaveBackAt !== this.#seenAt) {
      const before = this.#remaining(now);
      this.#seenAt = gaveBackAt;
      this.#bytes = Math.max(before, HELD_FACTOR * (gaveBackBytes + waiting));
    }
    return this.#remaining(now);
  }

  #remaining(now: number): number {
    const elapsed = now - this.#seenAt - FULL_MS;
    return this.#bytes * Math.min(1, Math.max(0, 1 - elapsed / FORGET_MS));
  }
}
