/**
 * Runs several asynchronous tasks at a time, and handles their results in the order in which they were
 * begun.
 */
export class InOrder<T> {
  /** Work under way. */
  count = 0;
  readonly #capacity: number;
  readonly #handle: (result: T) => void;
  readonly #fail: (error: unknown) => void;
  #tail: Promise<void> = Promise.resolve();
  #room: PromiseWithResolvers<void> | null = null;

  /**
   * @param capacity of work under way. It is not enforced: callers that can wait check `hasRoom`.
   * @param fail told of what `handle` throws, and of work that is rejected; the rest goes on.
   */
  constructor(capacity: number, handle: (result: T) => void, fail: (error: unknown) => void) {
    this.#capacity = capacity;
    this.#handle = handle;
    this.#fail = fail;
  }

  get hasRoom(): boolean {
    return this.count < this.#capacity;
  }

  push(work: Promise<T>): void {
    this.count++;
    this.#tail = this.#finish(work, this.#tail);
  }

  /** Resolves when half of the capacity is free, so that work comes in batches. */
  whenRoom(): Promise<void> {
    if (this.count <= this.#capacity / 2) return Promise.resolve();
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** Resolves when all that has been pushed so far is handled. */
  whenDone(): Promise<void> {
    return this.#tail;
  }

  async #finish(work: Promise<T>, before: Promise<void>): Promise<void> {
    try {
      const [result] = await Promise.all([work, before]);
      this.#handle(result);
    } catch (error) {
      // Work may be rejected while what was begun before it is still under way.
      await before;
      this.#fail(error);
    }
    this.count--;
    if (this.#room === null || this.count > this.#capacity / 2) return;
    this.#room.resolve();
    this.#room = null;
  }
}
