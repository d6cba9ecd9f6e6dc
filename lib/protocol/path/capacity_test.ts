import { equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { Capacity } from "./capacity.ts";

const INTERVAL_MS = 60;

/** A link of `rate` bytes a ms on which as much is sent as `capacity` allows, for `ms`. */
function load(capacity: Capacity, rate: (now: number) => number, ms: number, from = 0): number {
  let queued = 0;
  let carried = 0;
  for (let now = from; now < from + ms; now += INTERVAL_MS) {
    const sent = capacity.rate(now) * INTERVAL_MS;
    const before = queued / rate(now);
    queued = Math.min(queued + sent - rate(now) * INTERVAL_MS, rate(now) * 100);
    if (queued < 0) queued = 0;
    const after = queued / rate(now);
    const arrivedMs = INTERVAL_MS + after - before;
    carried += Math.min(sent, rate(now) * INTERVAL_MS);
    const delayMs = 10 + Math.min(before, after);
    capacity.update(
      { records: 50, bytes: sent, sentMs: INTERVAL_MS, arrivedMs, loss: 0, delayMs, jitterMs: 0 },
      INTERVAL_MS,
      now,
    );
  }
  return carried / ms;
}

Deno.test("capacity finds the rate of a link from below and from above, and keeps to it", () => {
  for (const rate of [300, 1000, 6000, 25_000]) {
    const capacity = new Capacity();
    load(capacity, () => rate, 4000);
    const carried = load(capacity, () => rate, 20_000, 4000);
    ok(carried > 0.95 * rate, `carries ${carried} of ${rate}`);
    ok(capacity.queueMs < 15, `queue ${capacity.queueMs} ms at ${rate}`);
  }
});

Deno.test("capacity follows a rate that falls to a tenth and comes back", () => {
  const capacity = new Capacity();
  load(capacity, () => 6000, 5000);
  load(capacity, () => 600, 2000, 5000);
  ok(capacity.estimate < 700, `${capacity.estimate}`);
  load(capacity, () => 6000, 4000, 7000);
  ok(capacity.estimate > 5500, `${capacity.estimate}`);
});

Deno.test("a path is believed to carry little more than a sender without more to send has tried", () => {
  const capacity = new Capacity();
  const sample = { records: 50, sentMs: 60, arrivedMs: 60, loss: 0, delayMs: 10, jitterMs: 0 };
  for (let now = 0; now < 5000; now += 60) capacity.update({ ...sample, bytes: 300_000 }, 60, now);
  equal(capacity.isStarting, false);
  ok(capacity.estimate > 5000 && capacity.estimate < 5500, `${capacity.estimate}`);
});

Deno.test("delays that vary say nothing of a path that was hardly used yet", () => {
  const capacity = new Capacity();
  const sample = { records: 50, sentMs: 60, loss: 0, jitterMs: 1 };
  for (let now = 0; now < 600; now += 60) {
    const late = (now / 60) % 2 === 0 ? 0 : 4;
    capacity.update({ ...sample, bytes: 100_000, arrivedMs: 64, delayMs: 10 + late }, 60, now);
  }
  equal(capacity.isStarting, true);
  equal(capacity.estimate, 2500);
});

Deno.test("the operator's ceiling wins", () => {
  const capacity = new Capacity(50_000, 1250);
  equal(capacity.rate(0), 1250);
  load(capacity, () => 6000, 5000);
  ok(capacity.rate(5000) <= 1250);
});

Deno.test("random loss alone lowers nothing", () => {
  const capacity = new Capacity(5000);
  const sample = { records: 50, sentMs: 60, arrivedMs: 60, delayMs: 10, jitterMs: 0.5 };
  for (let now = 0; now < 5000; now += 60) {
    capacity.update({ ...sample, bytes: 300_000 * 0.97, loss: 0.03 }, 60, now);
  }
  ok(capacity.estimate >= 5000, `${capacity.estimate}`);
});

Deno.test("property: whatever a peer reports, the rate stays sane", () => {
  const any = fc.oneof(
    fc.double({ noNaN: true }),
    fc.constantFrom(0, -1, 1e12, -1e12, Infinity, 1e-9),
  );
  const samples = fc.array(fc.tuple(any, any, any, any, any, any), { maxLength: 30 });
  fc.assert(fc.property(samples, (each) => {
    const capacity = new Capacity();
    let now = 0;
    for (const [bytes, sentMs, arrivedMs, loss, delayMs, jitterMs] of each) {
      now += 60;
      const share = Math.min(1, Math.max(0, loss));
      capacity.update(
        { records: 50, bytes, sentMs, arrivedMs, loss: share, delayMs, jitterMs },
        60,
        now,
      );
      const rate = capacity.rate(now);
      ok(rate >= 125 && rate <= 25_000_000, `${rate}`);
    }
  }));
});
