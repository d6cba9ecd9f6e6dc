import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { randomNumbers } from "../../../testing/random_numbers.ts";
import type { LocalUsage, UsageElsewhere } from "../server_store.ts";
import { decodeEntry } from "./entries.ts";
import type { KeyValue, StoredValue } from "./key_value.ts";
import { SharedUsage } from "./shared_usage.ts";
import { TestCluster, TestLine } from "./test_key_value.ts";
import { type UsageCopy, UsageCounters } from "./usage_counters.ts";

const MONTH = "2026-11";
const NAMES = ["laptop", "cam"];
const STEPS_MAX = 5_000;

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

  add(name: string, bytes: number): void {
    this.counted.set(name, this.bytesOf(name) + bytes);
    this.#tell(name);
  }
}

/** Servers whose requests and answers wait until the test lets them go on. */
class Servers {
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

class TestServer {
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

async function connected(servers: Servers): Promise<void> {
  const all = Promise.all(servers.all.map((server) => server.connect()));
  let isDone = false;
  void all.then(() => isDone = true);
  for (let steps = 0; !isDone && steps < STEPS_MAX; steps++) await servers.step();
  await servers.settle();
}

Deno.test("SharedUsage: the sum of all servers counts on each of them", async () => {
  const servers = new Servers(2);
  const [one, two] = servers.all as [TestServer, TestServer];
  await connected(servers);
  const told: string[] = [];
  two.elsewhere.watch((name) => told.push(name));
  one.local.add("laptop", 1000);
  two.local.add("laptop", 500);
  await servers.settle();
  deepEqual([one.total("laptop"), two.total("laptop")], [1500, 1500]);
  deepEqual([one.elsewhere.bytesOf("laptop"), two.elsewhere.bytesOf("laptop")], [500, 1000]);
  deepEqual(told, ["laptop"]);
});

Deno.test("SharedUsage: while the store is away what is known counts, also after a start", async () => {
  const servers = new Servers(2);
  const [one, two] = servers.all as [TestServer, TestServer];
  await connected(servers);
  one.local.add("laptop", 1000);
  await servers.settle();
  await two.usage.save();
  two.cut();
  one.local.add("laptop", 10);
  two.local.add("laptop", 7);
  two.saveLocal();
  two.restart();
  equal(two.total("laptop"), 1007);
  await connected(servers);
  deepEqual([one.total("laptop"), two.total("laptop")], [1017, 1017]);
});

Deno.test("SharedUsage: a file that was lost is made good by what the store knows", async () => {
  const servers = new Servers(2);
  const [one, two] = servers.all as [TestServer, TestServer];
  await connected(servers);
  one.local.add("laptop", 1000);
  await servers.settle();
  one.restart(); // nothing of it was on disk
  await connected(servers);
  one.local.add("laptop", 1);
  await servers.settle();
  deepEqual([one.total("laptop"), two.total("laptop")], [1001, 1001]);
});

Deno.test("SharedUsage: a store that lost everything is told all again, also of servers that are gone", async () => {
  const servers = new Servers(3);
  const [one, two, three] = servers.all as [TestServer, TestServer, TestServer];
  await connected(servers);
  for (const server of servers.all) server.local.add("cam", 100);
  await servers.settle();
  for (const server of servers.all) server.cut();
  servers.cluster.restore([]);
  servers.all.splice(servers.all.indexOf(three), 1);
  await connected(servers);
  deepEqual([one.total("cam"), two.total("cam")], [300, 300]);
  equal(servers.cluster.entries.filter(({ key }) => key.startsWith("usage.")).length, 3);
});

Deno.test("SharedUsage: a copied folder counts on for both, and never less", async () => {
  const servers = new Servers(1);
  const [one] = servers.all as [TestServer];
  await connected(servers);
  one.local.add("laptop", 100);
  one.saveLocal();
  await servers.settle();
  await one.usage.save();
  const two = new TestServer(servers, structuredClone(one.folder));
  servers.all.push(two);
  await connected(servers);
  one.local.add("laptop", 10);
  two.local.add("laptop", 7);
  await servers.settle();
  deepEqual([one.total("laptop"), two.total("laptop")], [117, 117]);
});

Deno.test("SharedUsage: a new month begins at none, whatever clocks say for a moment", async () => {
  const servers = new Servers(2);
  const [one, two] = servers.all as [TestServer, TestServer];
  await connected(servers);
  one.local.add("laptop", 100);
  await servers.settle();
  one.month = "2026-12";
  one.local.counted.clear();
  one.local.add("laptop", 3);
  await servers.settle();
  deepEqual([one.total("laptop"), two.total("laptop")], [3, 100]);
  two.month = "2026-12";
  two.local.counted.clear();
  await servers.settle();
  equal(two.total("laptop"), 3);
  const value = { by: "0".repeat(16), months: new Map([["2027-02", 1]]) };
  throws(() => two.usage.take("laptop", "f".repeat(16), value, 99), /month has not come yet/);
});

Deno.test("SharedUsage: one round tells of a hundred clients at most, those that wait longest", async () => {
  const servers = new Servers(1);
  const [one] = servers.all as [TestServer];
  await connected(servers);
  for (let number = 0; number < 250; number++) one.local.add(`client${number}`, 1);
  const round = async () => {
    let isDone = false;
    void one.usage.publish().then(() => isDone = true);
    for (let steps = 0; !isDone && steps < STEPS_MAX; steps++) await servers.step();
    return servers.cluster.entries.filter(({ key }) => key.startsWith("usage.")).length;
  };
  equal(await round(), 100);
  one.local.add("client0", 1);
  equal(await round(), 200);
  equal(await round(), 250);
  equal(one.usage.pendingWrites, 0);
});

Deno.test("SharedUsage: what a store is filled with takes no more memory than it may", () => {
  const counters = new UsageCounters({ id: "0".repeat(16), run: "", clients: new Map() }, "1");
  const value = { by: "f".repeat(16), months: new Map([[MONTH, 1]]) };
  const local = () => ({ now: 0, atStart: 0 });
  const take = (name: string, id: string) => counters.take(name, id, value, 1, local);
  for (let number = 0; number < 64; number++) take("laptop", String(number).padStart(16, "a"));
  throws(() => take("laptop", "b".repeat(16)), /there are too many/);
  for (let number = 1; number < 65_536; number++) take(`client${number}`, counters.id);
  throws(() => take("one more", counters.id), /there are too many/);
  // Those that carry something here are counted all the same.
  const due = counters.due("cam", MONTH, 10)!;
  counters.written("cam", MONTH, due.value, 10, 2);
  equal(counters.due("cam", MONTH, 10), null);
  equal(counters.elsewhere("laptop", MONTH, 0), 64);
});

const server = fc.nat(2);
const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("carry" as const),
      server,
      name: fc.constantFrom(...NAMES),
      bytes: fc.integer({ min: 1, max: 1000 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("publish" as const), server }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cut" as const), server }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("connect" as const), server }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("save" as const), server }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("save local" as const), server }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const), server }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant("step" as const), count: fc.nat(30) }) },
);

Deno.test("SharedUsage never counts less than it knew, never more than was carried, and all agree", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { maxLength: 80, size: "max" }),
      fc.integer({ min: 1, max: 0x7fff_fffe }),
      async (actions, seed) => {
        const servers = new Servers(3, randomNumbers(seed));
        const carried = new Map(NAMES.map((name) => [name, 0]));
        const lost = new Map(NAMES.map((name) => [name, 0]));
        const seen = new Map<string, number>();
        const look = (index: number, name: string) => {
          const total = servers.all[index]!.total(name);
          const key = `${index} ${name}`;
          ok(total >= (seen.get(key) ?? 0), `server ${index} forgot of ${name}`);
          ok(total <= carried.get(name)!, `server ${index} counts too much of ${name}: ${total}`);
          seen.set(key, total);
        };
        for (const one of actions) {
          const chosen = "server" in one ? servers.all[one.server]! : servers.all[0]!;
          if (one.do === "carry") {
            carried.set(one.name, carried.get(one.name)! + one.bytes);
            chosen.local.add(one.name, one.bytes);
          } else if (one.do === "publish") void chosen.usage.publish();
          else if (one.do === "cut") chosen.cut();
          else if (one.do === "connect") void chosen.connect();
          else if (one.do === "save") await chosen.usage.save();
          else if (one.do === "save local") chosen.saveLocal();
          else if (one.do === "step") {
            for (let count = 0; count < one.count; count++) await servers.step();
          } else {
            for (const name of NAMES) {
              lost.set(name, lost.get(name)! + chosen.unsaved(name));
              seen.delete(`${one.server} ${name}`);
            }
            chosen.restart();
          }
          for (let index = 0; index < 3; index++) for (const name of NAMES) look(index, name);
        }
        for (const each of servers.all) each.cut();
        await connected(servers);
        for (const name of NAMES) {
          const totals = servers.all.map((each) => each.total(name));
          deepEqual(totals, [totals[0], totals[0], totals[0]], name);
          const least = carried.get(name)! - lost.get(name)!;
          ok(totals[0]! >= least, `${name}: ${totals[0]} of ${least} at least`);
          for (let index = 0; index < 3; index++) look(index, name);
        }
        for (const each of servers.all) each.cut();
      },
    ),
    { numRuns: Number(Deno.env.get("FLUXIFY_STORE_RUNS") ?? 100) },
  );
});
