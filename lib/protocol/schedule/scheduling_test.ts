import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { MtuSearch } from "../path/mtu_search.ts";
import { PathTable } from "../session/path_table.ts";
import type { SessionPath } from "../session/session_path.ts";
import type { SchedulerName } from "./scheduler.ts";
import { Scheduling } from "./scheduling.ts";
import { CONFIRM_MS, PROBATION_MAX_MS, PROBATION_MS } from "./standing.ts";

/** A session's paths with these round trips, all up, judged at 0. */
function setUp(rttsMs: readonly number[], scheduler: SchedulerName = "flow") {
  const paths = new PathTable(0);
  const scheduling = new Scheduling(paths, scheduler, 50);
  const added = rttsMs.map((rttMs, id) => {
    const path = paths.add({ id, name: `link ${id}`, socket: id, peer: null })!;
    path.liveness.heard(0);
    path.quality.rttMeasured(rttMs, 0);
    return path;
  });
  scheduling.judge(0);
  return { paths, scheduling, added };
}

function carrying(paths: Iterable<SessionPath>): number[] {
  return [...paths].filter(({ carriesFlows }) => carriesFlows).map(({ id }) => id);
}

/** How many of `count` packets of 1000 bytes go on each path. */
function packets(scheduling: Scheduling, count: number): Record<number, number> {
  const taken: Record<number, number> = {};
  for (let packet = 0; packet < count; packet++) {
    const path = scheduling.packetChoice.pick(1000);
    taken[path] = (taken[path] ?? 0) + 1;
  }
  return taken;
}

Deno.test("paths that work and are good carry flows", () => {
  const { paths, scheduling, added } = setUp([20, 30, 40]);
  deepEqual(carrying(paths), [0, 1, 2]);
  added[0]!.isUsableForPeer = false;
  added[1]!.allowance = 1000;
  scheduling.judge(1);
  deepEqual(carrying(paths), [2]);
  deepEqual(scheduling.live.map(({ id }) => id), [2]);
  equal(scheduling.flowChoice.pick(1), 2);
});

Deno.test("a path that is far beyond the best is left at once, and taken back later", () => {
  const { paths, scheduling, added } = setUp([20, 200]);
  deepEqual(carrying(paths), [0]);
  equal(added[1]!.standing.reason, "rtt");
  deepEqual(scheduling.live.map(({ id }) => id), [0, 1], "it works all the same");
  added[1]!.quality.rtt.reset();
  added[1]!.quality.rttMeasured(30, 2000);
  scheduling.judge(2000);
  equal(added[1]!.standing.reason, "recovering");
  equal(scheduling.nextDeadline(), 2000 + PROBATION_MS);
  scheduling.judge(2000 + PROBATION_MS);
  deepEqual(carrying(paths), [0, 1]);
  equal(scheduling.nextDeadline(), Infinity);
});

Deno.test("a fault that may be a mishap has to last", () => {
  const { paths, scheduling, added } = setUp([20, 20]);
  added[1]!.counters.sentBytes = 100_000;
  for (let beat = 0; beat < 60; beat++) added[1]!.quality.rttMeasured(20 + 60 * (beat % 2), 1);
  scheduling.judge(1000);
  deepEqual(carrying(paths), [0, 1]);
  equal(scheduling.nextDeadline(), 1000 + CONFIRM_MS);
  added[1]!.counters.sentBytes = 300_000;
  scheduling.judge(1000 + CONFIRM_MS);
  deepEqual(carrying(paths), [0]);
  equal(added[1]!.standing.reason, "jitter");
});

Deno.test("the best is the best of those that can be used", () => {
  const { paths, scheduling, added } = setUp([20, 200, 210]);
  deepEqual(carrying(paths), [0]);
  added[0]!.liveness.linkDown(0);
  scheduling.judge(0);
  scheduling.judge(PROBATION_MS);
  deepEqual(carrying(paths), [1, 2]);
});

Deno.test("a path that is bad sets no measure for those that are not", () => {
  const { paths, scheduling, added } = setUp([10, 100, 120]);
  const [near] = added;
  for (let beat = 0; beat < 30; beat++) near!.quality.heartbeatSent(1000 + beat * 50);
  near!.quality.heartbeatSent(4000);
  for (let now = 4000; now <= 4000 + CONFIRM_MS + PROBATION_MS + 500; now += 100) {
    scheduling.judge(now);
  }
  deepEqual(added.map(({ standing }) => standing.reason), ["loss", null, null]);
  deepEqual(carrying(paths), [1, 2]);
});

Deno.test("whatever happened before, paths that stay as they are come to rest, good ones in use", () => {
  const change = fc.record({
    path: fc.nat({ max: 3 }),
    what: fc.constantFrom("narrow" as const, "wide" as const, "gone" as const, "back" as const),
    afterMs: fc.integer({ min: 0, max: 3000 }),
  });
  const rtts = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 4 });
  fc.assert(fc.property(rtts, fc.array(change, { maxLength: 20 }), (rttsMs, changes) => {
    const { scheduling, added } = setUp(rttsMs);
    let now = 0;
    const judgeUntil = (end: number) => {
      for (; now < end; now += 100) scheduling.judge(now);
    };
    for (const { path: id, what, afterMs } of changes) {
      const path = added[id % added.length]!;
      if (what === "narrow" || what === "wide") {
        path.mtuSearch = new MtuSearch({ ceiling: 1400, overheadBytes: 78 });
        path.mtu = what === "narrow" ? 1000 : 1400;
      } else if (what === "gone") {
        path.liveness.linkDown(now);
      } else if (path.liveness.state === "down") {
        path.liveness.linkUp(now);
        path.liveness.heard(now);
        path.standing.recovered(now);
      }
      judgeUntil(now + afterMs);
    }
    judgeUntil(now + 3 * PROBATION_MAX_MS);
    const atRest = added.map(({ standing }) => standing.reason);
    for (const end = now + 5000; now < end; now += 100) {
      scheduling.judge(now);
      deepEqual(added.map(({ standing }) => standing.reason), atRest);
    }
    const usable = added.filter(({ isUsable }) => isUsable);
    const wide = usable.filter(({ mtu }) => mtu !== 1000);
    const carriers = carrying(added);
    equal(carriers.length > 0, usable.length > 0);
    if (wide.length === 0) return;
    const nearest = Math.min(...wide.map(({ quality }) => quality.rtt.smoothedMs!));
    for (const id of carriers) {
      const path = added[id]!;
      ok(path.mtu !== 1000);
      equal(path.standing.reason, null);
      ok(path.quality.rtt.smoothedMs! <= Math.max(1.5 * nearest, nearest + 50));
    }
  }));
});

Deno.test("when all are bad the nearest carries everything", () => {
  const { paths, scheduling, added } = setUp([40, 20, 30]);
  for (const { quality } of added) {
    for (let beat = 0; beat < 30; beat++) quality.heartbeatSent(1000 + beat * 50);
  }
  for (const { quality } of added) quality.heartbeatSent(4000);
  scheduling.judge(4000);
  scheduling.judge(4000 + CONFIRM_MS);
  deepEqual(added.map(({ standing }) => standing.reason), ["loss", "loss", "loss"]);
  deepEqual(carrying(paths), [1]);
  deepEqual(packets(scheduling, 50), { 1: 50 });
});

Deno.test("packets are shared out by weight", () => {
  const { scheduling } = setUp([10, 60], "stripe");
  const { 0: near = 0, 1: far = 0 } = packets(scheduling, 1000);
  equal(near + far, 1000);
  // By (score + 1) / (RTT + 10), above a floor of 0.15 for each.
  const [nearMerit, farMerit] = [99 / 20, 88 / 70];
  const share = 0.15 + 0.7 * nearMerit / (nearMerit + farMerit);
  ok(Math.abs(near - 1000 * share) <= 2, `${near} of 1000, not ${1000 * share}`);
});

Deno.test("a new flow goes where there is less load for the weight", () => {
  const { scheduling, added } = setUp([20, 20]);
  added[0]!.counters.sentBytes = 1_000_000;
  scheduling.judge(1000);
  deepEqual([0, 1, 2, 3].map((ms) => scheduling.flowChoice.pick(2000 + ms)), [1, 1, 1, 0]);
});

Deno.test("failover uses the best path, and goes back to it when it works again", () => {
  const { paths, scheduling, added } = setUp([30, 20], "failover");
  deepEqual(carrying(paths), [1]);
  added[1]!.liveness.linkDown(100);
  scheduling.judge(100);
  deepEqual(carrying(paths), [0]);
  added[1]!.liveness.linkUp(200);
  added[1]!.liveness.heard(200);
  scheduling.judge(200);
  scheduling.judge(60_000);
  deepEqual(carrying(paths), [1]);
});

Deno.test("failover stays where it is among paths that are about as near", () => {
  const { paths, scheduling, added } = setUp([22, 20], "failover");
  deepEqual(carrying(paths), [1]);
  added[1]!.liveness.linkDown(100);
  scheduling.judge(100);
  added[1]!.liveness.linkUp(200);
  added[1]!.liveness.heard(200);
  scheduling.judge(60_000);
  deepEqual(carrying(paths), [0]);
});

Deno.test("another scheduler takes effect with the next judgement", () => {
  const { paths, scheduling } = setUp([30, 20]);
  scheduling.scheduler = "failover";
  scheduling.judge(1);
  equal(carrying(paths).length, 1);
  scheduling.scheduler = "flow";
  scheduling.judge(2);
  deepEqual(carrying(paths), [0, 1]);
});

Deno.test("a path that was removed is chosen no more", () => {
  const { paths, scheduling, added } = setUp([20, 20]);
  paths.remove(0);
  scheduling.forget(added[0]!, 1);
  equal(added[0]!.carriesFlows, false);
  deepEqual(scheduling.live.map(({ id }) => id), [1]);
  deepEqual(packets(scheduling, 20), { 1: 20 });
  for (let flow = 0; flow < 5; flow++) equal(scheduling.flowChoice.pick(1), 1);
});

Deno.test("without a path nothing is chosen", () => {
  const { scheduling } = setUp([]);
  equal(scheduling.flowChoice.pick(0), -1);
  equal(scheduling.packetChoice.pick(1), -1);
  deepEqual(scheduling.live, []);
});
