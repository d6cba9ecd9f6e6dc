import { deepEqual, equal } from "node:assert/strict";
import { type ClientSettings, isNothing, NO_SETTINGS } from "../../clients/client_settings.ts";
import { changeWithoutConflict, findConflict } from "../../clients/settings_conflict.ts";
import type { SettingsStore } from "../../clients/settings_store.ts";
import { decodeEntry } from "./entries.ts";
import type { KeyValue, StoredValue } from "./key_value.ts";
import { SharedSettings } from "./shared_settings.ts";
import { TestCluster, TestLine } from "./test_key_value.ts";

/** The file of one server, in memory. */
class LocalSettings implements SettingsStore {
  /** Times that it was written for what others have changed. */
  writes = 0;
  readonly problem = null;
  readonly #clients = new Map<string, ClientSettings>();
  readonly #watchers = new Set<(names: readonly string[]) => void>();

  get(name: string): ClientSettings {
    return this.#clients.get(name) ?? NO_SETTINGS;
  }

  list(): Iterable<readonly [string, ClientSettings]> {
    return [...this.#clients];
  }

  async change(name: string, change: (before: ClientSettings) => ClientSettings): Promise<void> {
    await Promise.resolve();
    const clients = new Map(this.#clients);
    const settings = change(this.get(name));
    clients.delete(name);
    if (!isNothing(settings)) clients.set(name, settings);
    const conflict = findConflict(clients);
    if (conflict !== null) throw new Error(conflict);
    this.#clients.delete(name);
    if (!isNothing(settings)) this.#clients.set(name, settings);
    for (const told of this.#watchers) told([name]);
  }

  async replace(settings: ReadonlyMap<string, ClientSettings>): Promise<Map<string, string>> {
    await Promise.resolve();
    this.writes++;
    const clients = new Map(this.#clients);
    const refused = changeWithoutConflict(clients, [...settings]);
    const names = [...settings.keys()].filter((name) => !refused.has(name));
    this.#clients.clear();
    for (const [name, own] of clients) if (!isNothing(own)) this.#clients.set(name, own);
    for (const told of this.#watchers) told(names);
    return refused;
  }

  watch(changed: (names: readonly string[]) => void): Disposable {
    this.#watchers.add(changed);
    return { [Symbol.dispose]: () => void this.#watchers.delete(changed) };
  }
}

/** A server's share in the settings, as SharedStore holds it. */
class Side {
  readonly local = new LocalSettings();
  readonly settings: SharedSettings;
  nowMs = 1000;
  #store: KeyValue | null = null;
  #end = new AbortController();

  constructor(readonly cluster: TestCluster) {
    this.settings = new SharedSettings({
      store: () => this.#store,
      failed: (error) => {
        throw error;
      },
      take: (value) => this.#take(value),
      warn: () => {},
      nowMs: () => this.nowMs,
    });
    this.settings.share(this.local);
  }

  async connect(): Promise<void> {
    this.#end = new AbortController();
    this.settings.begin();
    const store = await new TestLine(this.cluster).connect();
    store.watch((value) => this.#take(value), this.#end.signal);
    await settled();
    this.#store = store;
    await this.settings.current();
    await settled();
  }

  async disconnect(): Promise<void> {
    this.#store = null;
    this.#end.abort();
    await settled();
  }

  #take({ key, value, revision }: StoredValue): void {
    if (value === null) return;
    const entry = decodeEntry(key, value);
    if (entry.kind === "client") this.settings.take(entry.name, entry.value, revision);
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const rate = (down: number) => ({ ...NO_SETTINGS, rate: { down: down * 1e6, up: 1e6 } });
const address = (ipv4: string) => ({ ...NO_SETTINGS, address: ipv4 });

Deno.test("SharedSettings: what is set or unset on one server is so on the others", async () => {
  const cluster = new TestCluster();
  const [one, two] = [new Side(cluster), new Side(cluster)];
  await one.local.change("old", () => rate(7));
  await one.connect();
  await two.connect();
  deepEqual(two.local.get("old"), rate(7));
  await two.local.change("laptop", () => rate(5));
  await settled();
  deepEqual(one.local.get("laptop"), rate(5));
  await one.local.change("laptop", () => NO_SETTINGS);
  await settled();
  deepEqual([...two.local.list()].map(([name]) => name), ["old"]);
  equal(one.settings.pendingWrites + two.settings.pendingWrites, 0);
});

Deno.test("SharedSettings: of changes made apart the latest wins on both", async () => {
  const cluster = new TestCluster();
  const [one, two] = [new Side(cluster), new Side(cluster)];
  await one.connect();
  await two.connect();
  await one.local.change("laptop", () => rate(1));
  await settled();
  await two.disconnect();
  [one.nowMs, two.nowMs] = [2000, 3000];
  await two.local.change("laptop", () => rate(3));
  await one.local.change("laptop", () => rate(2));
  await two.local.change("cam", () => rate(4));
  one.nowMs = 4000;
  await one.local.change("cam", () => rate(5));
  equal(two.settings.pendingWrites, 2);
  await two.connect();
  for (const { local, settings } of [one, two]) {
    deepEqual(local.get("laptop"), rate(3));
    deepEqual(local.get("cam"), rate(5));
    equal(settings.pendingWrites, 0);
  }
});

Deno.test("SharedSettings: two clients may exchange their addresses", async () => {
  const cluster = new TestCluster();
  const [one, two] = [new Side(cluster), new Side(cluster)];
  await one.connect();
  await two.connect();
  await one.local.change("a", () => address("10.8.0.7"));
  await one.local.change("b", () => address("10.8.0.8"));
  await settled();
  await one.local.change("a", () => NO_SETTINGS);
  await one.local.change("b", () => address("10.8.0.7"));
  await one.local.change("a", () => address("10.8.0.8"));
  await settled();
  deepEqual(two.local.get("a"), address("10.8.0.8"));
  deepEqual(two.local.get("b"), address("10.8.0.7"));
});

Deno.test("SharedSettings: what a store has lost is put into it again", async () => {
  const one = new Side(new TestCluster());
  await one.connect();
  await one.local.change("laptop", () => rate(1));
  await settled();
  await one.disconnect();
  one.cluster.restore([]);
  await one.connect();
  equal(one.cluster.entries.length, 1);
});

Deno.test("SharedSettings: however much a store has, it is written in one step", async () => {
  const cluster = new TestCluster();
  const [one, two] = [new Side(cluster), new Side(cluster)];
  for (let number = 0; number < 100; number++) {
    await one.local.change(`client${number}`, () => rate(number + 1));
  }
  await one.connect();
  await two.connect();
  deepEqual(two.local.get("client99"), rate(100));
  equal(two.local.writes, 1);
});

Deno.test("SharedSettings: one that conflicts with what is set here holds up no other", async () => {
  const cluster = new TestCluster();
  const [one, two] = [new Side(cluster), new Side(cluster)];
  await one.local.change("a", () => address("10.8.0.7"));
  for (let number = 0; number < 20; number++) {
    await one.local.change(`client${number}`, () => rate(number + 1));
  }
  await one.connect();
  await two.local.change("b", () => address("10.8.0.7"));
  await two.connect();
  deepEqual(two.local.get("client19"), rate(20));
  equal(isNothing(two.local.get("a")), true);
  deepEqual(two.local.get("b"), address("10.8.0.7"));
  // It is taken in as soon as it can be.
  await two.local.change("b", () => NO_SETTINGS);
  await one.local.change("client0", () => rate(50));
  await settled();
  deepEqual(two.local.get("a"), address("10.8.0.7"));
});
