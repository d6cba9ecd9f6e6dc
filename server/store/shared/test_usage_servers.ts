/** Servers that count what clients carry and share a store, without sockets, clocks and files. */
import type { LocalUsage, UsageElsewhere } from "../server_store.ts";
import { decodeEntry } from "./entries.ts";
import type { KeyValue, StoredValue } from "./key_value.ts";
import { SharedUsage } from "./shared_usage.ts";
import { TestCluster, TestLine } from "./test_key_value.ts";
import { type UsageCopy, UsageCounters } from "./usage_counters.ts";

export const MONTH = "2026-11";
export const STEPS_MAX = 5_000;

/** What one server has counted, and has of it on disk. */
class LocalCount implements LocalUsage {
  readonly counted: Map<string, number>;
  #tell: (name: string) => void = () => {};

  constructor(saved: ReadonlyMap<string, number>) {
    this.counted = new Map(saved);
  }

  bytesOf(name: string): number {
    return this.counted.get(name) ?? 0;
  }

  names(): Iterable<string> {
    return this.counted.keys();
  }

  watch(carried: (name: string) => void): void {
    this.#tell = carried;
  }

  /** As if it had carried something. */
  watched(name: string): void {
    this.#tell(name);
  }

  add(name: string, bytes: number): void {
    this.counted.set(name, this.bytesOf(name) + bytes);
    this.#tell(name);
  }
}

/** Servers whose requests and answers wait until the test lets them go on. */
export class Servers {
  readonly cluster = new TestCluster();
  readonly all: TestServer[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #chance: () => number;
  #ids = 0;

  constructor(size: number, chance: () => number = () => 0) {
    this.#chance = chance;
    for (let number = 0; number < size; number++) this.all.push(new TestServer(this));
  }

  newId(): string {
    return (++this.#ids).toString(16).padStart(16, "0");
  }

  readonly delay = () => new Promise<void>((resolve) => void this.#waiting.push(resolve));

  async step(): Promise<void> {
    this.#waiting.splice(Math.floor(this.#chance() * this.#waiting.length), 1)[0]?.();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Lets all go on until nothing waits, and everything is told. */
  async settle(): Promise<void> {
    for (let steps = 0; steps < STEPS_MAX; steps++) {
      if (this.#waiting.length > 0) await this.step();
      else if (this.all.every(({ usage }) => usage.pendingWrites === 0)) return;
      else {
        for (const server of this.all) void server.usage.publish();
        await this.step();
      }
    }
    throw new Error("It never came to rest");
  }
}

export class TestServer {
  readonly #servers: Servers;
  readonly #line: TestLine;
  #store: KeyValue | null = null;
  #end = new AbortController();
  #copy: UsageCopy;
  #saved: ReadonlyMap<string, number> = new Map();
  month = MONTH;
  local!: LocalCount;
  usage!: SharedUsage;
  elsewhere!: UsageElsewhere;

  constructor(servers: Servers, copy?: { usage: UsageCopy; local: ReadonlyMap<string, number> }) {
    this.#servers = servers;
    this.#line = new TestLine(servers.cluster, servers.delay);
    const id = servers.newId();
    this.#copy = copy?.usage ?? { id, run: id, clients: new Map() };
    this.#saved = copy?.local ?? new Map();
    this.#start();
  }

  total(name: string): number {
    return this.local.bytesOf(name) + this.elsewhere.bytesOf(name);
  }

  /** As on disk. */
  get folder(): { usage: UsageCopy; local: ReadonlyMap<string, number> } {
    return { usage: this.#copy, local: this.#saved };
  }

  /** What of `name` is not on disk. */
  unsaved(name: string): number {
    return this.local.bytesOf(name) - (this.#saved.get(name) ?? 0);
  }

  saveLocal(): void {
    this.#saved = new Map(this.local.counted);
  }

  /** Reaches the store, unless it does. */
  async connect(): Promise<void> {
    if (!this.#end.signal.aborted && this.#store !== null) return;
    this.cut();
    this.#line.mend();
    const end = this.#end = new AbortController();
    const usage = this.usage;
    const store = await this.#line.connect().catch(() => null);
    if (store === null || end.signal.aborted) return;
    usage.begin();
    let isTold = false;
    store.watch((value) => {
      if (value.key === "told") isTold = true;
      else this.#take(value, usage);
    }, end.signal).catch(() => end.abort());
    // As the heartbeat does: its echo comes after all that was written before it.
    this.#servers.cluster.writeText("told", "");
    for (let steps = 0; !isTold && !end.signal.aborted && steps < STEPS_MAX; steps++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (!isTold || end.signal.aborted || this.usage !== usage) return;
    this.#store = store;
    void usage.current();
  }

  cut(): void {
    this.#store = null;
    this.#end.abort();
    this.#line.cut();
  }

  /** Ends as by kill -9, and starts with what is on disk. */
  restart(): void {
    this.cut();
    this.#start();
  }

  #start(): void {
    const counters = new UsageCounters(structuredClone(this.#copy), this.#servers.newId());
    this.local = new LocalCount(this.#saved);
    const usage: SharedUsage = new SharedUsage({
      counters,
      store: () => this.usage === usage ? this.#store : null,
      failed: () => {
        if (this.usage === usage) this.cut();
      },
      take: (value) => this.#take(value, usage),
      save: () => {
        if (this.usage === usage) this.#copy = structuredClone(counters.copy);
        return Promise.resolve(true);
      },
      nowMs: () => 0,
      month: () => this.month,
    });
    this.usage = usage;
    this.elsewhere = usage.share(this.local);
  }

  #take({ key, value, revision }: StoredValue, usage: SharedUsage): void {
    if (value === null) return;
    const entry = decodeEntry(key, value);
    if (entry.kind === "usage") usage.take(entry.name, entry.id, entry.value, revision);
  }
}

/** All reach the store, and have told all. */
export async function connected(servers: Servers): Promise<void> {
  const all = Promise.all(servers.all.map((server) => server.connect()));
  let isDone = false;
  void all.then(() => isDone = true);
  for (let steps = 0; !isDone && steps < STEPS_MAX; steps++) await servers.step();
  await servers.settle();
}
