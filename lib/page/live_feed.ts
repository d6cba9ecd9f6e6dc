/**
 * What goes on, to every browser that watches: read once for all of them, and only while somebody
 * watches. A browser that does not take it is let go.
 */

interface Watcher {
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
}

interface FeedOptions {
  /** What there is to tell; never rejects. */
  readonly read: () => Promise<unknown>;
  readonly everyMs: number;
}

export const WATCHERS_MAX = 16;
/** Messages a browser may be behind. */
const WAITING_MAX = 8;

export class LiveFeed implements Disposable {
  readonly #options: FeedOptions;
  readonly #watchers = new Set<Watcher>();
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** What was told last; as good as new while the timer runs. */
  #last: Uint8Array | null = null;
  #isReading = false;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  /** A stream of server-sent events; null: too many watch already. */
  watch(): ReadableStream<Uint8Array> | null {
    if (this.#watchers.size >= WATCHERS_MAX) return null;
    let watcher: Watcher;
    return new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.#watchers.add(watcher = { controller });
        if (this.#timer !== null && this.#last !== null) controller.enqueue(this.#last);
        else void this.#tell();
      },
      cancel: () => this.#leave(watcher),
    }, { highWaterMark: WAITING_MAX });
  }

  /** Reads and tells now, as after an action. */
  hurry(): void {
    if (this.#watchers.size > 0) void this.#tell();
  }

  [Symbol.dispose](): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const watcher of [...this.#watchers]) this.#end(watcher);
  }

  async #tell(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const value = await this.#options.read();
    this.#isReading = false;
    const event = this.#last = new TextEncoder().encode(`data: ${JSON.stringify(value)}\n\n`);
    for (const watcher of [...this.#watchers]) {
      if ((watcher.controller.desiredSize ?? 0) <= 0) this.#end(watcher);
      else watcher.controller.enqueue(event);
    }
    if (this.#watchers.size === 0) return;
    this.#timer = setTimeout(() => void this.#tell(), this.#options.everyMs);
  }

  #end(watcher: Watcher): void {
    this.#leave(watcher);
    try {
      watcher.controller.close();
    } catch {
      // The browser has closed it at the same moment.
    }
  }

  #leave(watcher: Watcher): void {
    this.#watchers.delete(watcher);
    if (this.#watchers.size > 0 || this.#timer === null) return;
    clearTimeout(this.#timer);
    this.#timer = null;
  }
}
