import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { randomNumbers } from "../../../testing/random_numbers.ts";
import { connected, MONTH, Servers, STEPS_MAX, TestServer } from "./test_usage_servers.ts";
import { UsageCounters } from "./usage_counters.ts";

const NAMES = ["laptop", "cam"];

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
  // Those that the store has are not among the hundred when all is looked at again.
  one.cut();
  one.local.add("client249", 1);
  await connected(servers);
  equal(one.usage.pendingWrites, 0);
  for (let number = 0; number < 250; number++) one.local.watched(`client${number}`);
  one.local.add("late", 1);
  equal(await round(), 251);
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
