import { deepEqual, equal, rejects } from "node:assert/strict";
import type { PathReport, SessionReport } from "../net/engine.ts";
import { DropCounters } from "../protocol/wire/drop_reason.ts";
import { pathReport, sessionReport } from "./test_session_report.ts";
import { type BondFacts, BondMonitor, tlsPathName } from "./bond_status.ts";

function setUp(reports: () => SessionReport[], facts: Partial<BondFacts> = {}) {
  const clock = { nowMs: 0, reports: 0 };
  const drops = new DropCounters();
  const engine = {
    drops,
    report() {
      clock.reports++;
      return Promise.resolve(reports());
    },
  };
  const all: BondFacts = {
    server: "vpn.example.org",
    servers: [],
    serverAddress: "203.0.113.10",
    addresses: "10.8.0.2",
    engine: "portable",
    links: ["one", "two"],
    problems: new Map([["two", "has no carrier"]]),
    ruleOf: () => ({ use: "always", downRate: null, upRate: null, volume: null }),
    unmatchedOf: () => [],
    transportOf: () => ({ transport: "udp", reason: null }),
    droppedInsideTls: () => Promise.resolve(0),
    sessionId: 7,
    ...facts,
  };
  return { clock, drops, monitor: new BondMonitor(engine, () => all, () => clock.nowMs) };
}

Deno.test("BondMonitor joins the engine's report with what is known of the links", async () => {
  let receivedBytes = 0;
  const report = () => [
    { ...sessionReport([]), id: 3 },
    { ...sessionReport([pathReport(0, "one", { receivedBytes, sentBytes: 0 })]), id: 7 },
  ];
  const unmatchedOf = (links: readonly string[]) => [`none of ${links.join()}`];
  const { clock, drops, monitor } = setUp(report, { unmatchedOf });
  equal((await monitor.status()).session?.id, 7);
  receivedBytes = 250_000;
  clock.nowMs = 2_000;
  drops.count("replayed", 3);
  const { links, drops: dropped, ...status } = await monitor.status();
  deepEqual(links.map(({ name, problem }) => [name, problem]), [
    ["one", null],
    ["two", "has no carrier"],
  ]);
  deepEqual(links.map(({ traffic }) => traffic.receivedBytesPerSecond), [125_000, 0]);
  equal(status.gainOverBest, 1);
  deepEqual(dropped, { replayed: 3 });
  equal(status.addresses, "10.8.0.2");
  deepEqual(status.unmatched, ["none of one,two"]);
});

Deno.test("BondMonitor tells for how long a link has been up or down", async () => {
  let state: "up" | "suspect" | "down" = "up";
  const { clock, monitor } = setUp(() => [
    { ...sessionReport([pathReport(0, "one", { state })]), id: 7 },
  ]);
  const unchanged = async (nowMs: number) => {
    clock.nowMs = nowMs;
    return (await monitor.status()).links.map(({ unchangedMs }) => unchangedMs);
  };
  deepEqual(await unchanged(0), [0, 0]);
  state = "suspect";
  deepEqual(await unchanged(5_000), [5_000, 5_000]);
  state = "down";
  deepEqual(await unchanged(8_000), [0, 8_000]);
  deepEqual(await unchanged(9_000), [1_000, 9_000]);
});

Deno.test("BondMonitor reads the engine once for all who ask within 200 ms", async () => {
  const { clock, monitor } = setUp(() => []);
  const readings = await Promise.all([monitor.status(), monitor.status()]);
  equal(readings[0], readings[1]);
  clock.nowMs = 199;
  await monitor.status();
  equal(clock.reports, 1);
  clock.nowMs = 200;
  equal((await monitor.status()).session, null);
  equal(clock.reports, 2);
});

Deno.test("BondMonitor reads again at once when a reading has failed", async () => {
  let fails = true;
  const { monitor } = setUp(() => {
    if (fails) throw new Error("no answer");
    return [];
  });
  await rejects(monitor.status(), /no answer/);
  fails = false;
  deepEqual((await monitor.status()).links.length, 2);
});

Deno.test("a link with a path by UDP and one inside TLS is one, by what carries it", async () => {
  const udp = (state: PathReport["state"]) => pathReport(0, "one", { state, sentBytes: 100 });
  const tls = (state: PathReport["state"]) =>
    pathReport(15, tlsPathName("one"), { state, sentBytes: 900, seenAs: "127.0.0.1:4" });
  const cases: [PathReport["state"], PathReport["state"], number][] = [
    ["up", "up", 0],
    ["suspect", "up", 0],
    ["down", "up", 15],
    ["down", "suspect", 15],
    // One that was never answered does not make a link look better than it is.
    ["down", "probing", 0],
    ["down", "down", 0],
    ["probing", "down", 0],
  ];
  for (const [byUdp, insideTls, shown] of cases) {
    for (const paths of [[udp(byUdp), tls(insideTls)], [tls(insideTls), udp(byUdp)]]) {
      const { monitor } = setUp(() => [{ ...sessionReport(paths), id: 7 }]);
      const { session } = await monitor.status();
      deepEqual(session!.paths.map(({ id, name, sentBytes }) => [id, name, sentBytes]), [
        [shown, "one", 1000],
      ]);
      equal(session!.paths[0]!.seenAs, null);
    }
  }
});

Deno.test("while UDP is held back, as it is slowed down, the path inside TLS is shown", async () => {
  const udp = pathReport(0, "one", { idleFor: "cap reached" });
  const cases: [Partial<PathReport>, number][] = [
    [{}, 15],
    [{ state: "down", idleFor: "down" }, 0],
    // A volume that is used up holds back both.
    [{ idleFor: "cap reached" }, 0],
  ];
  for (const [changes, shown] of cases) {
    const tls = pathReport(15, tlsPathName("one"), changes);
    const { monitor } = setUp(() => [{ ...sessionReport([udp, tls]), id: 7 }]);
    deepEqual((await monitor.status()).session!.paths.map(({ id }) => id), [shown]);
  }
});
