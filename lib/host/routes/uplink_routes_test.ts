import assert from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import type { NextHop } from "./gateway/routing_table.ts";
import { HostJournal } from "../journal/host_journal.ts";
import { TestDirectory } from "../journal/test_directory.ts";
import { refuseOtherBalancing } from "./uplink_policy.ts";
import { UplinkRoutes } from "./uplink_routes.ts";

const UPLINKS = [{ device: "wan1", slot: 1 }, { device: "wan2", slot: 2 }];
const hop = (device: string, address: string): NextHop => ({
  device,
  gateway: { address, family: 4, onlink: false },
});
const WAN1 = hop("wan1", "192.0.2.1");
const WAN2 = hop("wan2", "198.51.100.1");
const WANTED = {
  own: new Map([[1, WAN1], [2, WAN2]]),
  shared: [{ nextHop: WAN1, weight: 1 }, { nextHop: WAN2, weight: 1 }],
};
const OURS = "ip -4 route replace default metric 1 protocol 77";

/** A machine that knows the default routes of others in the main table, a line each. */
class OtherRoutes {
  lines: string[] = [];
  ours: unknown[] = [];
  rules: { priority: number; table: string; protocol: string }[] = [];
  readonly runner = new FakeRunner().on("", "")
    .on("ip -o -4 route show default", () => this.lines.join("\n"))
    .on("ip -4 -j route show table all", () => JSON.stringify(this.ours))
    .on("ip -4 -j rule show", () => JSON.stringify(this.rules))
    .on("ip -4 route del default", (argv) => {
      this.lines = this.lines.filter((line) => line !== argv.slice(4).join(" "));
      return "";
    })
    .on(OURS, () => {
      this.ours = [{ dst: "default", metric: 1, protocol: "77", dev: "wan1", flags: [] }];
      return "";
    });

  /** What was done since the last call to default routes of the main table. */
  done(): string[] {
    return this.runner.calls.splice(0).map(({ argv }) => argv.join(" "))
      .filter((line) => /^ip -4 route (?:add|append|del|replace) /.test(line))
      .filter((line) => !line.includes(" table "))
      .map((line) => line.startsWith(OURS) ? "ours" : line.replace("ip -4 route ", ""));
  }
}

async function withRoutes(
  lines: string[],
  test: (routes: UplinkRoutes, others: OtherRoutes) => Promise<void>,
): Promise<string[]> {
  await using directory = await TestDirectory.create();
  const others = new OtherRoutes();
  others.lines = lines;
  const journal = await HostJournal.open({
    program: "t",
    runner: others.runner,
    directory: directory.path,
  });
  await test(new UplinkRoutes(journal, 4, UPLINKS), others);
  others.done();
  assert.deepEqual(await journal.undoAll(), []);
  return others.done();
}

Deno.test("UplinkRoutes takes aside what goes before it, in time, and puts it back in order", async () => {
  const lines = [
    "default via 192.0.2.1 dev wan1 proto dhcp",
    "default via 198.51.100.1 dev wan2",
    "default via 192.0.2.8 dev wan1 metric 1",
    "default via 192.0.2.1 dev wan1 metric 100",
  ];
  const undone = await withRoutes([...lines], async (routes, others) => {
    const { taken, ahead, errors } = await routes.apply(WANTED);
    assert.deepEqual([taken.length, ahead, errors], [3, [], []]);
    // The machine is never without one; only that of our metric has to make place before.
    assert.deepEqual(others.done(), [
      `del ${lines[2]}`,
      "ours",
      `del ${lines[1]}`,
      `del ${lines[0]}`,
    ]);
    assert.deepEqual(others.lines, [lines[3]]);
  });
  assert.deepEqual(undone, [
    `add ${lines[0]}`,
    `append ${lines[1]}`,
    "del default metric 1 protocol 77",
    `add ${lines[2]}`,
  ]);
});

Deno.test("UplinkRoutes takes a new lease's route in the place of the old one", async () => {
  const old = "default via 192.0.2.1 dev wan1";
  const renewed = "default via 192.0.2.9 dev wan1 proto dhcp";
  const undone = await withRoutes([old], async (routes, others) => {
    await routes.apply(WANTED);
    assert.deepEqual(routes.removed.hopOf("wan1"), WAN1);
    others.lines = [renewed];
    const { taken } = await routes.apply(WANTED);
    assert.equal(taken.length, 1);
    assert.deepEqual(routes.removed.hopOf("wan1"), hop("wan1", "192.0.2.9"));
  });
  assert.deepEqual(undone.filter((line) => line.startsWith("a")), [`add ${renewed}`]);
});

Deno.test("UplinkRoutes does not put back a route that had no place at the start", async () => {
  const first = "default via 192.0.2.1 dev wan1";
  const undone = await withRoutes([first], async (routes, others) => {
    await routes.apply(WANTED);
    // Refused while the first one was there.
    others.lines = ["default via 198.51.100.1 dev wan2"];
    assert.equal((await routes.apply(WANTED)).taken.length, 1);
    assert.deepEqual(routes.removed.hopOf("wan2"), WAN2);
  });
  assert.deepEqual(undone.filter((line) => line.startsWith("a")), [`add ${first}`]);
});

Deno.test("UplinkRoutes leaves what others send elsewhere meanwhile, and says so", async () => {
  await withRoutes([], async (routes, others) => {
    await routes.apply(WANTED);
    others.lines = ["default dev tun0 scope link"];
    others.done();
    const { taken, ahead } = await routes.apply(WANTED);
    assert.deepEqual([taken.length, ahead.map(({ words }) => words.join(" "))], [0, others.lines]);
    assert.deepEqual(others.done(), ["ours"]);
    others.lines = ["blackhole default"];
    assert.equal((await routes.apply(WANTED)).taken.length, 0);
    others.lines = ["default dev tun0 scope link metric 1"];
    others.ours = [];
    others.done();
    await routes.apply(WANTED);
    assert.deepEqual(others.done(), []);
  });
});

Deno.test("UplinkRoutes does not fight for ever with somebody who keeps making a route", async () => {
  await withRoutes([], async (routes, others) => {
    await routes.apply(WANTED);
    let taken = 0;
    for (let attempt = 0; attempt < 12; attempt++) {
      others.lines = ["default via 192.0.2.9 dev wan1"];
      const applied = await routes.apply(WANTED);
      taken += applied.taken.length;
      assert.equal(applied.taken.length + applied.errors.length, 1);
    }
    assert.ok(taken <= 10);
    routes.removed.allow();
    assert.equal((await routes.apply(WANTED)).taken.length, 1);
  });
});

Deno.test("UplinkRoutes leaves the only way there is while it has none of its own", async () => {
  await withRoutes(["default via 192.0.2.1 dev wan1"], async (routes, others) => {
    await routes.apply({ ...WANTED, shared: "keep" });
    assert.deepEqual(others.done(), []);
  });
});

Deno.test("UplinkRoutes makes rules again that somebody has removed", async () => {
  await withRoutes([], async (routes, { runner, rules }) => {
    const added = () =>
      runner.calls.splice(0).map(({ argv }) => argv.join(" "))
        .filter((line) => line.includes(" rule add "));
    await routes.apply(WANTED);
    assert.deepEqual(added(), [
      "ip -4 rule add priority 32400 table main suppress_prefixlength 0 protocol 77",
      "ip -4 rule add priority 32401 oif wan1 table 7701 protocol 77",
      "ip -4 rule add priority 32402 oif wan2 table 7702 protocol 77",
      "ip -4 rule add priority 32501 fwmark 0x1000000/0x3f000000 table 7701 protocol 77",
      "ip -4 rule add priority 32502 fwmark 0x2000000/0x3f000000 table 7702 protocol 77",
    ]);
    for (const priority of [32400, 32401, 32402, 32501]) {
      rules.push({ priority, table: "7701", protocol: "77" });
    }
    await routes.apply(WANTED);
    assert.deepEqual(added().map((line) => line.split(" ")[5]), ["32502"]);
  });
});

Deno.test("refuseOtherBalancing() knows rules to the tables of uplinks", async () => {
  const machine = (table: string) =>
    new FakeRunner().on("ip -6 -j rule show", JSON.stringify([{ priority: 32401, table }]));
  await assert.rejects(
    refuseOtherBalancing(machine("7763"), 6),
    /stop the other fluxify-client -l/,
  );
  for (const table of ["7700", "7764", "main"]) await refuseOtherBalancing(machine(table), 6);
});
