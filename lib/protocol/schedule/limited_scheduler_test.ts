import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { FlowKey } from "../packet/flow_key.ts";
import { NO_RULE } from "../wire/path_rule.ts";
import { LimitedScheduler } from "./limited_scheduler.ts";
import { setUpScheduling } from "./test_scheduling.ts";

const RATE = 125_000;

/** Two paths, the first held to 1 Mbit/s, and the scheduler that holds it. */
function setUp(name: "flow" | "redundant" = "flow") {
  const bench = setUpScheduling([10, 10], name);
  bench.added[0]!.rule = { ...NO_RULE, sendRate: RATE };
  bench.added[1]!.isUsableForPeer = name === "redundant";
  bench.scheduling.judge(0);
  const { scheduler } = bench.scheduling;
  ok(scheduler instanceof LimitedScheduler);
  return { ...bench, scheduler };
}

const flowOf = (number: number) =>
  Object.assign(new FlowKey(), { hashA: number, hashB: -number, protocol: 6 });

Deno.test("it is there while a rule prescribes a rate, and bears the name of the one inside", () => {
  const { scheduling, scheduler, added } = setUp();
  equal(scheduler.name, "flow");
  added[0]!.rule = NO_RULE;
  scheduling.judge(0);
  equal(scheduling.scheduler instanceof LimitedScheduler, false);
  equal(scheduling.scheduler, scheduler.inner);
});

Deno.test("what comes at any time leaves at the rate, each once, in the order of its flow", () => {
  fc.assert(fc.property(
    fc.array(
      fc.record({ after: fc.nat(20), flow: fc.nat(3), bytes: fc.integer({ min: 40, max: 1400 }) }),
      {
        maxLength: 80,
      },
    ),
    (packets) => {
      const { scheduler } = setUp();
      const left: { slot: number; flow: number; at: number; bytes: number }[] = [];
      const held = new Map<number, { flow: number; bytes: number; number: number }>();
      const givenUp: number[] = [];
      let now = 0;
      const release = (until: number) => {
        for (let at = now; at <= until; at++) {
          for (let next = scheduler.poll(at); next !== null; next = scheduler.poll(at)) {
            const { flow, bytes } = held.get(next.slot)!;
            ok(held.delete(next.slot), "once");
            if (next.paths.length === 0) givenUp.push(next.slot);
            else left.push({ slot: next.slot, flow, at, bytes });
          }
        }
        now = until;
      };
      for (const [slot, { after, flow, bytes }] of packets.entries()) {
        release(now + after);
        ok(scheduler.begin(flowOf(flow), bytes, now));
        const departure = scheduler.offer(slot, bytes, now);
        if (departure === null) held.set(slot, { flow, bytes, number: slot });
        else left.push({ slot, flow, at: now, bytes });
      }
      release(now + 5000);
      equal(held.size, 0);
      equal(left.length + givenUp.length, packets.length);
      for (const flow of [0, 1, 2, 3]) {
        const slots = left.filter((each) => each.flow === flow).map(({ slot }) => slot);
        deepEqual(slots, slots.toSorted((one, other) => one - other));
      }
      // Over any time: the rate, a burst of 3 ms, and the one that leaves last.
      for (let from = 0; from < left.length; from++) {
        let bytes = 0;
        for (let to = from; to < left.length; to++) {
          bytes += left[to]!.bytes;
          const most = RATE / 1000 * (left[to]!.at - left[from]!.at + 4) + 1460 + 1400;
          ok(bytes <= most, `${bytes} bytes in ${left[to]!.at - left[from]!.at} ms`);
        }
      }
    },
  ));
});

Deno.test("a copy without room is left out where the other has some", () => {
  const { scheduler } = setUp("redundant");
  const offered = Array.from({ length: 20 }, (_, slot) => {
    scheduler.begin(flowOf(1), 1400, 0);
    return scheduler.offer(slot, 1400, 0)!.paths.map(({ id }) => id);
  });
  deepEqual(offered[0], [0, 1]);
  deepEqual(offered[19], [1]);
});

Deno.test("a path that goes gives up what waits for it", () => {
  const { scheduler, paths, added, scheduling } = setUp();
  for (let slot = 0; slot < 10; slot++) {
    scheduler.begin(flowOf(1), 1400, 0);
    scheduler.offer(slot, 1400, 0);
  }
  ok(scheduler.loadOf(added[0]!).queuedBytes > 0);
  paths.remove(0);
  scheduling.forget(added[0]!, 1);
  let count = 0;
  for (let next = scheduler.poll(1); next !== null; next = scheduler.poll(1)) {
    equal(next.paths.length, 0);
    count++;
  }
  ok(count >= 8, `${count}`);
  equal(scheduler.nextDeparture(2), Infinity);
});
