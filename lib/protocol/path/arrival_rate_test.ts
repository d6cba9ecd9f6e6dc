import { deepEqual, equal, ok } from "node:assert/strict";
import { ArrivalRate } from "./arrival_rate.ts";

/** Has so much arrive for a second, in feedbacks of 50 ms. Returns the time after it. */
function second(arrivals: ArrivalRate, rate: number, isQueued: boolean, from: number): number {
  for (let at = 50; at <= 1000; at += 50) arrivals.add(rate / 20, 50, isQueued, from + at);
  return from + 1000;
}

Deno.test("the rate of a full path is known, and follows the path down", () => {
  const arrivals = new ArrivalRate();
  equal(arrivals.fullRate(0), null);
  let now = second(arrivals, 1_000_000, true, 0);
  now = second(arrivals, 1_000_000, true, now);
  equal(arrivals.fullRate(now), 1_000_000);
  ok(arrivals.isFull(now) && Math.abs(arrivals.rate - 1_000_000) < 10_000);
  now = second(arrivals, 100_000, true, now);
  ok(arrivals.fullRate(now)! < 200_000);
});

Deno.test("a path that is not full tells no more than what arrives", () => {
  const arrivals = new ArrivalRate();
  const now = second(arrivals, 1_000_000, false, 0);
  deepEqual([arrivals.fullRate(now), arrivals.isFull(now)], [null, false]);
  ok(arrivals.rate > 900_000);
});

Deno.test("what was full is so for a second, and its rate is kept for a minute", () => {
  const arrivals = new ArrivalRate();
  const now = second(arrivals, 1_000_000, true, 0);
  equal(arrivals.isFull(now + 999), true);
  equal(arrivals.isFull(now + 1000), false);
  equal(arrivals.fullRate(now + 59_999), 1_000_000);
  equal(arrivals.fullRate(now + 60_000), null);
  arrivals.reset();
  deepEqual([arrivals.rate, arrivals.fullRate(now), arrivals.isFull(now)], [0, null, false]);
});
