import { deepEqual, equal, ok } from "node:assert/strict";
import { FlowKey } from "../packet/flow_key.ts";
import { PROTOCOL_UDP } from "../packet/ip.ts";
import { FLAG_COPY, FLAG_ORDERED } from "../wire/header.ts";
import { SCHEDULERS } from "../wire/scheduler_name.ts";
import type { Departure } from "./scheduler.ts";
import { fail, setUpScheduling, type TestScheduling } from "./test_scheduling.ts";

/** How a packet leaves that is offered now. */
function departure({ scheduling }: TestScheduling): Departure {
  return scheduling.scheduler.offer(0, 1000, 0)!;
}

Deno.test("flow: all packets of a flow take its path, unordered", () => {
  const test = setUpScheduling([null, null], "flow");
  const first = [1, 2].map((flow) => test.send(flow));
  deepEqual(first.flat().toSorted(), [0, 1]);
  deepEqual([1, 2].map((flow) => test.send(flow)), first);
  const { flags, stream } = departure(test);
  deepEqual([flags, stream], [0, 0]);
});

Deno.test("stripe: packets take turns by their bytes, in the order of their stream", () => {
  const test = setUpScheduling([null, null], "stripe");
  const { send } = test;
  deepEqual([1, 1, 1, 1].map((flow) => send(flow)), [[0], [1], [0], [1]]);
  deepEqual([send(1, { bytes: 3000 }), send(1), send(1), send(1)], [[0], [1], [1], [1]]);
  const { flags, stream } = departure(test);
  deepEqual([flags, stream], [FLAG_ORDERED, 2]);
});

Deno.test("redundant: every live path gets a copy; TCP's are put in order", () => {
  const test = setUpScheduling([null, null], "redundant");
  deepEqual(test.send(1), [0, 1]);
  equal(departure(test).flags, FLAG_COPY | FLAG_ORDERED);
  const streamOfTcp = departure(test).stream;
  deepEqual(test.send(1, { protocol: PROTOCOL_UDP }), [0, 1]);
  equal(departure(test).flags, FLAG_COPY);
  ok(departure(test).stream !== streamOfTcp, "numbers that nobody waits for make no gaps");
  fail(test, test.added[0]!);
  deepEqual(test.send(1), [1]);
});

Deno.test("redundant: a path that leaves between two packets of a read takes no more of them", () => {
  const test = setUpScheduling([null], "redundant");
  deepEqual(test.send(1), [0]);
  test.paths.remove(0);
  test.scheduling.forget(test.added[0]!, 0);
  test.scheduling.scheduler.begin(new FlowKey(), 1000, 0);
  deepEqual(departure(test).paths, [], "none takes the packet: it is dropped and counted");
});

Deno.test("failover: everything on one path while it works", () => {
  const test = setUpScheduling([null, null], "failover");
  deepEqual([1, 2, 3].map((flow) => test.send(flow)), [[0], [0], [0]]);
  fail(test, test.added[0]!);
  deepEqual([1, 2, 3].map((flow) => test.send(flow)), [[1], [1], [1]]);
});

Deno.test("without a path that works every scheduler tries the last one heard", () => {
  for (const name of SCHEDULERS) {
    const test = setUpScheduling([null, null], name);
    for (const path of test.added) fail(test, path);
    deepEqual(test.send(1), [1], name);
    const { flags, stream } = departure(test);
    deepEqual([flags, stream], [0, 0], name);
    equal(test.flows.size, 0, "nothing is pinned to it");
    test.added[1]!.amplificationCredit = 3999;
    equal(test.send(1), null, name);
    for (const path of test.added) {
      test.paths.remove(path.id);
      test.scheduling.forget(path, 0);
    }
    equal(test.send(1), null, name);
    deepEqual(departure(test).paths, [], name);
  }
});

Deno.test("schedulers that hold nothing let packets leave now", () => {
  for (const name of SCHEDULERS.filter((each) => each !== "aggregate")) {
    const { scheduler } = setUpScheduling([20], name).scheduling;
    deepEqual([scheduler.name, scheduler.holdsPackets], [name, false]);
    equal(scheduler.nextDeparture(1234), 1234);
    equal(scheduler.poll(1234), null);
  }
});
