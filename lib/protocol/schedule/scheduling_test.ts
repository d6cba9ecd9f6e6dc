import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { MtuSearch } from "../path/mtu_search.ts";
import type { SessionPath } from "../path/session_path.ts";
import { SCHEDULERS } from "../wire/scheduler_name.ts";
import { setUpScheduling, type TestScheduling } from "./test_scheduling.ts";
import { CONFIRM_MS, PROBATION_MAX_MS, PROBATION_MS } from "../path/eligibility.ts";

function carrying(paths: Iterable<SessionPath>): number[] {
  return [...paths].filter(({ carriesFlows }) => carriesFlows).map(({ id }) => id);
}

/** How many of `count` packets of 1000 bytes, each of a flow of its own, go on each path. */
function packets({ send }: TestScheduling, count: number, now: number): Record<number, number> {
  const taken: Record<number, number> = {};
  for (let flow = 1; flow <= count; flow++) {
    const [path] = send(flow, { now })!;
    taken[path!] = (taken[path!] ?? 0) + 1;
  }
  return taken;
}

Deno.test("paths that work and are good carry flows", () => {
  const test = setUpScheduling([20, 30, 40]);
  const { paths, scheduling, added } = test;
  deepEqual(carrying(paths), [0, 1, 2]);
  added[0]!.isUsableForPeer = false;
  added[1]!.amplificationCredit = 1000;
  scheduling.judge(1);
  deepEqual(carrying(paths), [2]);
  deepEqual(scheduling.live.map(({ id }) => id), [2]);
  deepEqual(packets(test, 10, 1), { 2: 10 });
});

Deno.test("a path that is far beyond the best is left at once, and taken back later", () => {
  const { paths, scheduling, added } = setUpScheduling([20, 200]);
  deepEqual(carrying(paths), [0]);
  equal(added[1]!.eligibility.reason, "rtt");
  deepEqual(scheduling.live.map(({ id }) => id), [0, 1], "it works all the same");
  added[1]!.quality.reset();
  added[1]!.quality.rttMeasured(30, 2000);
  scheduling.judge(2000);
  equal(added[1]!.eligibility.reason, "recovering");
  equal(scheduling.nextDeadline(), 2000 + PROBATION_MS);
  scheduling.judge(2000 + PROBATION_MS);
  deepEqual(carrying(paths), [0, 1]);
  equal(scheduling.nextDeadline(), Infinity);
});

Deno.test("a fault that may be a mishap has to last", () => {
  const { paths, scheduling, added } = setUpScheduling([20, 20]);
  for (let beat = 0; beat < 60; beat++) added[1]!.quality.rttMeasured(20 + 60 * (beat % 2), 1);
  scheduling.judge(1000);
  deepEqual(carrying(paths), [0, 1]);
  equal(scheduling.nextDeadline(), 1000 + CONFIRM_MS);
  scheduling.judge(1000 + CONFIRM_MS);
  deepEqual(carrying(paths), [0]);
  equal(added[1]!.eligibility.reason, "jitter");
});

Deno.test("the best is the best of those that can be used", () => {
  const { paths, scheduling, added } = setUpScheduling([20, 200, 210]);
  deepEqual(carrying(paths), [0]);
  added[0]!.liveness.linkDown(0);
  scheduling.judge(0);
  scheduling.judge(PROBATION_MS);
  deepEqual(carrying(paths), [1, 2]);
});

Deno.test("a path that is bad sets no measure for those that are not", () => {
  const { paths, scheduling, added } = setUpScheduling([10, 100, 120]);
  const [near] = added;
  for (let beat = 0; beat < 30; beat++) near!.quality.heartbeatSent(1000 + beat * 50);
  near!.quality.heartbeatSent(4000);
  for (let now = 4000; now <= 4000 + CONFIRM_MS + PROBATION_MS + 500; now += 100) {
    scheduling.judge(now);
  }
  deepEqual(added.map(({ eligibility }) => eligibility.reason), ["loss", null, null]);
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
    const { scheduling, added } = setUpScheduling(rttsMs);
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
        path.eligibility.recovered(now);
      }
      judgeUntil(now + afterMs);
    }
    judgeUntil(now + 3 * PROBATION_MAX_MS);
    const atRest = added.map(({ eligibility }) => eligibility.reason);
    for (const end = now + 5000; now < end; now += 100) {
      scheduling.judge(now);
      deepEqual(added.map(({ eligibility }) => eligibility.reason), atRest);
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
      equal(path.eligibility.reason, null);
      ok(path.quality.rtt.smoothedMs! <= Math.max(1.5 * nearest, nearest + 50));
    }
  }));
});

Deno.test("when all are bad the nearest carries everything", () => {
  const test = setUpScheduling([40, 20, 30]);
  const { paths, scheduling, added } = test;
  for (const { quality } of added) {
    for (let beat = 0; beat < 30; beat++) quality.heartbeatSent(1000 + beat * 50);
  }
  for (const { quality } of added) quality.heartbeatSent(4000);
  scheduling.judge(4000);
  scheduling.judge(4000 + CONFIRM_MS);
  deepEqual(added.map(({ eligibility }) => eligibility.reason), ["loss", "loss", "loss"]);
  deepEqual(carrying(paths), [1]);
  deepEqual(packets(test, 50, 4000 + CONFIRM_MS), { 1: 50 });
});

Deno.test("packets are shared out by weight", () => {
  const test = setUpScheduling([10, 60], "stripe");
  const { 0: near = 0, 1: far = 0 } = packets(test, 1000, 0);
  equal(near + far, 1000);
  // By (score + 1) / (RTT + 10), above a floor of 0.15 for each.
  const [nearMerit, farMerit] = [99 / 20, 88 / 70];
  const share = 0.15 + 0.7 * nearMerit / (nearMerit + farMerit);
  ok(Math.abs(near - 1000 * share) <= 2, `${near} of 1000, not ${1000 * share}`);
});

Deno.test("a new flow goes where there is less load for the weight", () => {
  const { scheduling, added, send } = setUpScheduling([20, 20]);
  added[0]!.counters.sentBytes = 1_000_000;
  scheduling.judge(1000);
  const chosen = [0, 1, 2, 3].map((flow) => send(flow, { now: 2000 + flow })![0]);
  deepEqual(chosen, [1, 1, 1, 0]);
});

Deno.test("failover uses the best path, and goes back to it when it works again", () => {
  const { paths, scheduling, added } = setUpScheduling([30, 20], "failover");
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
  const { paths, scheduling, added } = setUpScheduling([22, 20], "failover");
  deepEqual(carrying(paths), [1]);
  added[1]!.liveness.linkDown(100);
  scheduling.judge(100);
  added[1]!.liveness.linkUp(200);
  added[1]!.liveness.heard(200);
  scheduling.judge(60_000);
  deepEqual(carrying(paths), [0]);
});

Deno.test("another scheduler takes effect at once", () => {
  const { paths, scheduling } = setUpScheduling([30, 20]);
  scheduling.use("failover", 1);
  equal(carrying(paths).length, 1);
  scheduling.use("flow", 2);
  deepEqual(carrying(paths), [0, 1]);
});

Deno.test("a path that was removed is chosen no more", () => {
  for (const name of SCHEDULERS.filter((each) => each !== "aggregate")) {
    const test = setUpScheduling([20, 20], name);
    const { paths, scheduling, added } = test;
    paths.remove(0);
    scheduling.forget(added[0]!, 1);
    equal(added[0]!.carriesFlows, false);
    deepEqual(scheduling.live.map(({ id }) => id), [1]);
    deepEqual(packets(test, 20, 1), { 1: 20 }, name);
  }
});
