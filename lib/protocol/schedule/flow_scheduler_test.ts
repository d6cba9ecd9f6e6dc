import { deepEqual, equal, ok } from "node:assert/strict";
import { PROBATION_MS } from "../path/eligibility.ts";
import { GROWN_BYTES } from "./grown_flow.ts";
import { fail, recover, setUpScheduling } from "./test_scheduling.ts";

/** Paths that are up, and what gives the path of a packet of flow `number`. */
function setUp(count: number) {
  const test = setUpScheduling(new Array(count).fill(null));
  const pick = (number: number, bytes = 100) => test.send(number, { bytes })?.[0] ?? null;
  return { ...test, test, pick };
}

Deno.test("flow keeps a flow on its path, and spreads flows", () => {
  const { pick } = setUp(3);
  const first = Array.from({ length: 30 }, (_, flow) => pick(flow));
  for (const path of [0, 1, 2]) equal(first.filter((id) => id === path).length, 10);
  deepEqual(Array.from({ length: 30 }, (_, flow) => pick(flow)), first);
});

Deno.test("flow places flows that have grown apart, where they met on one path", () => {
  const { flows, pick } = setUp(3);
  const transfers = [10, 11, 12];
  for (const flow of transfers) flows.assign(flow, -flow, 0, 0);
  transfers.forEach((flow) => equal(pick(flow), 0));
  const grown = transfers.map((flow) => pick(flow, GROWN_BYTES));
  deepEqual(new Set(grown), new Set([0, 1, 2]));
  deepEqual(transfers.map((flow) => pick(flow, 60_000)), grown);
});

Deno.test("flow does not count flows that only acknowledge", () => {
  const { flows, pick } = setUp(2);
  for (let flow = 1; flow <= 9; flow++) flows.assign(flow, -flow, 0, 0);
  for (let flow = 1; flow <= 9; flow++) for (let ack = 0; ack < 1000; ack++) pick(flow, 100);
  equal(pick(9, GROWN_BYTES), 0);
});

Deno.test("flow leaves a flow that is away from its home, though it grows there", () => {
  const { test, added, scheduling, pick } = setUp(3);
  const home = pick(1)!;
  fail(test, added[home]!);
  const away = pick(1);
  equal(pick(1, GROWN_BYTES), away);
  recover(test, added[home]!);
  scheduling.judge(PROBATION_MS);
  equal(pick(1), home);
});

Deno.test("flow moves the flows of a path that fails, and brings home those that began on it", () => {
  const { test, added, scheduling, pick } = setUp(2);
  const flows = Array.from({ length: 10 }, (_, flow) => flow);
  const homes = flows.map((flow) => pick(flow));
  fail(test, added[0]!);
  ok(flows.every((flow) => pick(flow) === 1));
  recover(test, added[0]!);
  ok(flows.every((flow) => pick(flow) === 1), "it is on probation");
  scheduling.judge(PROBATION_MS);
  deepEqual(flows.map((flow) => pick(flow)), homes);
  ok([20, 21, 22, 23].some((flow) => pick(flow) === 0), "new flows use it again");
});

/** Path 0 is full and slow at 2000 ms, with flow 1, which has grown, and 2, which has not. */
function setUpFull() {
  const { test, added, scheduling } = setUp(2);
  const [first, second] = added;
  const flow = (number: number, bytes: number, now: number) =>
    test.send(number, { bytes, now })![0];
  test.flows.assign(1, -1, 0, 0);
  test.flows.assign(2, -2, 0, 0);
  flow(1, GROWN_BYTES, 10);
  second!.quality.arrivals.add(1_000_000, 1000, false, 1000);
  for (const now of [500, 1000, 1500, 2000]) {
    first!.quality.arrivals.add(100_000, 500, true, now);
    flow(1, 1000, now);
    flow(2, 1000, now);
  }
  scheduling.judge(2000);
  return { test, second: second!, flow };
}

Deno.test("flow moves no flow to a path that has failed since that was found worth it", () => {
  const { test, second, flow } = setUpFull();
  fail(test, second, 2001);
  equal(flow(1, 1000, 2002), 0);
});

Deno.test("flow leaves a flow that is not grown, and one that only acknowledges, where it is", () => {
  const { flow } = setUpFull();
  equal(flow(1, 100, 2001), 0, "an acknowledgement");
  equal(flow(2, 1000, 2001), 0, "not grown");
  equal(flow(1, 1000, 2001), 1, "its path is slow and full");
  equal(flow(1, 100, 2002), 1);
});

Deno.test("flow leaves a path the peer calls unusable, or that was removed", () => {
  const { added, paths, scheduling, pick } = setUp(2);
  const flows = Array.from({ length: 10 }, (_, flow) => flow);
  flows.forEach((flow) => pick(flow));
  added[0]!.isUsableForPeer = false;
  scheduling.judge(0);
  ok(flows.every((flow) => pick(flow) === 1));
  added[0]!.isUsableForPeer = true;
  paths.remove(1);
  scheduling.forget(added[1]!, 0);
  ok(flows.every((flow) => pick(flow) === 0));
});
