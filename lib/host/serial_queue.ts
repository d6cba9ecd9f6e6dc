/**
 * Actions that must not overlap, such as changes to one table of the kernel: they run one after the
 * other, in the order in which they were asked for. One that fails does not stop the next.
 */
export class SerialQueue {
  #last: Promise<unknown> = Promise.resolve();

  /** Resolves or rejects as the action does. The caller bounds how many it lets wait. */
  run<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#last.then(action);
    this.#last = result.catch(() => {});
    return result;
  }

  /**
   * The action as a function whose calls share one run as long as that has not begun: so at most one
   * waits, and it sees whatever led to any of the calls.
   */
  shared<T>(action: () => Promise<T>): () => Promise<T> {
    let waiting: Promise<T> | null = null;
    return () =>
      waiting ??= this.run(() => {
        waiting = null;
        return action();
      });
  }

  /** Resolves when nothing is running or waiting, also nothing that was asked for in the meantime. */
  async idle(): Promise<void> {
    for (let last = null; last !== this.#last;) await (last = this.#last);
  }
}
