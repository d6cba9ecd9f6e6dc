/**
 * A key-value service in memory, as the store's is: revisions over all keys, writes by compare and set,
 * watches. Each server reaches it over a line of its own, which can be cut; answers come when a test lets
 * them, in any order it likes.
 */
import type { Expected, KeyValue, KeyValueService, StoredValue } from "./key_value.ts";

export class TestCluster {
  readonly #entries = new Map<string, StoredValue>();
  readonly #watches = new Set<(value: StoredValue) => void>();
  #revision = 0;

  get entries(): StoredValue[] {
    return [...this.#entries.values()].sort((one, other) => one.revision - other.revision);
  }

  read(key: string): StoredValue | null {
    return this.#entries.get(key) ?? null;
  }

  write(key: string, value: Uint8Array | null, expected: Expected): number | "conflict" {
    const present = this.#entries.get(key)?.revision ?? 0;
    if (expected !== "anything" && expected !== present) return "conflict";
    const stored = { key, value, revision: ++this.#revision };
    this.#entries.set(key, stored);
    for (const tell of this.#watches) tell(stored);
    return stored.revision;
  }

  /** As by hand, or by a hostile machine. */
  writeText(key: string, text: string): void {
    this.write(key, new TextEncoder().encode(text), "anything");
  }

  /** All is gone, as after a restore of an older copy. */
  restore(entries: readonly StoredValue[]): void {
    this.#entries.clear();
    for (const entry of entries) this.#entries.set(entry.key, entry);
  }

  watch(tell: (value: StoredValue) => void): Disposable {
    for (const entry of this.entries) tell(entry);
    this.#watches.add(tell);
    return { [Symbol.dispose]: () => void this.#watches.delete(tell) };
  }
}

/** What the line of one server does with a request: waits for this before it is carried out. */
type Delay = () => Promise<void>;

/** The line of one server to the cluster. */
export class TestLine implements KeyValueService {
  readonly place = "test";
  readonly #cluster: TestCluster;
  readonly #delay: Delay;
  #isCut = false;
  readonly #ends = new Set<() => void>();

  constructor(cluster: TestCluster, delay: Delay = () => Promise.resolve()) {
    this.#cluster = cluster;
    this.#delay = delay;
  }

  cut(): void {
    this.#isCut = true;
    for (const end of [...this.#ends]) end();
  }

  mend(): void {
    this.#isCut = false;
  }

  async connect(): Promise<KeyValue> {
    await this.#ask(() => null);
    const ask = <T>(request: () => T) => this.#ask(request);
    return {
      write: (key, value, expected) => ask(() => this.#cluster.write(key, value, expected)),
      read: (key) => ask(() => this.#cluster.read(key)),
      remove: (key) => ask(() => void this.#cluster.write(key, null, "anything")),
      watch: (changed, signal) => this.#watch(changed, signal),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  /** A request may be carried out and its answer lost. */
  async #ask<T>(request: () => T): Promise<T> {
    if (this.#isCut) throw new Error("the line is cut");
    await this.#delay();
    if (this.#isCut) throw new Error("the line is cut");
    const answer = request();
    await this.#delay();
    if (this.#isCut) throw new Error("the line is cut");
    return answer;
  }

  async #watch(changed: (value: StoredValue) => void, signal: AbortSignal): Promise<void> {
    if (this.#isCut) throw new Error("the line is cut");
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const cut = () => reject(new Error("the line is cut"));
    this.#ends.add(cut);
    signal.addEventListener("abort", () => resolve(), { once: true });
    // What is told comes late, and in order.
    let told = Promise.resolve();
    using _watch = this.#cluster.watch((value) => {
      told = told.then(this.#delay).then(() => {
        if (!this.#isCut && !signal.aborted) changed(value);
      });
    });
    try {
      await promise;
    } finally {
      this.#ends.delete(cut);
    }
  }
}
