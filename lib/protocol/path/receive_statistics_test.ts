import { US_PER_MS } from "../wire/units.ts";
import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { ReceiveStatistics } from "./receive_statistics.ts";

const U32 = 2 ** 32;

/** Arrivals of records of 100 bytes that were sent by a clock `offsetUs` ahead of the receiver's. */
function setUp(offsetUs = 0) {
  const arrivals = new ReceiveStatistics();
  let counter = 0;
  const arrive = (
    { sentAt, delayMs = 10, epoch = 0, counter: given = counter + 1 }: {
      sentAt: number;
      delayMs?: number;
      epoch?: number;
      counter?: number;
    },
  ) => {
    counter = given;
    const sendTime = (Math.round(sentAt * US_PER_MS) + offsetUs) % U32;
    arrivals.arrived(epoch, given, 100, sendTime, sentAt + delayMs);
  };
  return { arrivals, arrive, feedback: (now: number) => arrivals.feedback(now)! };
}

Deno.test("nothing is told before anything has come", () => {
  const { arrivals } = setUp();
  equal(arrivals.feedback(1000), null);
  equal(arrivals.delayVariationMs, null);
});

Deno.test("what arrived, and what the counters say was sent", () => {
  const { arrive, feedback } = setUp();
  for (const counter of [1, 2, 5, 4]) arrive({ sentAt: counter, counter });
  const { received, expected, bytes, echo, hold, clock } = feedback(20);
  deepEqual([received, expected, bytes], [4, 5, 400]);
  deepEqual([echo, hold, clock], [4000, 6000, 20_000], "of the record heard last");
});

Deno.test("a clock that stood still for a while is neither a queue nor jitter", () => {
  for (const stoodMs of [30_000, -30_000]) {
    const { arrivals, arrive, feedback } = setUp();
    for (let sentAt = 100_000; sentAt < 101_000; sentAt += 100) arrive({ sentAt });
    equal(feedback(101_000).queueDelay, 0);
    // The sender's clock stood still, or the receiver's: its machine slept.
    const sentAt = stoodMs > 0 ? 101_000 : 131_000;
    arrive({ sentAt, delayMs: 10 + stoodMs });
    equal(feedback(sentAt + stoodMs + 100).queueDelay, 0);
    arrive({ sentAt: sentAt + 100, delayMs: 40 + stoodMs });
    equal(feedback(sentAt + stoodMs + 200).queueDelay, 30_000, "measured from then on");
    ok(arrivals.delayVariationMs! < 3);
  }
});

Deno.test("a path that begins with a later counter has lost nothing", () => {
  const { arrive, feedback } = setUp();
  arrive({ sentAt: 0, counter: 700 });
  arrive({ sentAt: 1, counter: 702 });
  deepEqual([feedback(20).received, feedback(20).expected], [2, 3]);
});

Deno.test("counters go on over epochs, and what is late of the last one is not sent again", () => {
  const { arrive, feedback } = setUp();
  arrive({ sentAt: 0, counter: 1 });
  arrive({ sentAt: 1, counter: 3 });
  arrive({ sentAt: 2, counter: 2, epoch: 1 });
  arrive({ sentAt: 1, counter: 2 });
  deepEqual([feedback(20).received, feedback(20).expected], [4, 5]);
  for (let epoch = 2; epoch < 600; epoch++) {
    arrive({ sentAt: epoch, counter: 1, epoch: epoch & 255 });
  }
  deepEqual([feedback(999).received, feedback(999).expected], [602, 603]);
});

Deno.test("a path that was silent for several epochs is counted again", () => {
  const { arrive, feedback } = setUp();
  arrive({ sentAt: 0, counter: 9 });
  arrive({ sentAt: 300_000, counter: 1, epoch: 3 });
  for (let counter = 3; counter <= 9; counter += 2) {
    arrive({ sentAt: 300_000 + counter, counter, epoch: 3 });
  }
  const { received, expected } = feedback(300_020);
  deepEqual([received, expected], [6, 10]);
});

Deno.test("the least delay of an interval beyond the least ever is what waits in queues", () => {
  const { arrive, feedback } = setUp();
  arrive({ sentAt: 0, delayMs: 10 });
  equal(feedback(100).queueDelay, 0);
  arrive({ sentAt: 100, delayMs: 35 });
  arrive({ sentAt: 110, delayMs: 30 });
  arrive({ sentAt: 120, delayMs: 90 });
  equal(feedback(220).queueDelay, 20_000);
  equal(feedback(230).queueDelay, 80_000, "nothing new: as it was last");
  arrive({ sentAt: 300, delayMs: 10 });
  equal(feedback(400).queueDelay, 0);
});

Deno.test("a route that got longer is the base of the delay after a minute", () => {
  const { arrive, feedback } = setUp();
  arrive({ sentAt: 0, delayMs: 10 });
  feedback(20);
  for (let at = 1000; at <= 59_000; at += 1000) {
    arrive({ sentAt: at, delayMs: 50 });
    equal(feedback(at + 50).queueDelay, 40_000);
  }
  arrive({ sentAt: 61_000, delayMs: 50 });
  equal(feedback(61_050).queueDelay, 0);
});

Deno.test("jitter is the mean deviation of RFC 3550, of one record for each send time", () => {
  const { arrivals, arrive } = setUp();
  arrive({ sentAt: 0, delayMs: 10 });
  equal(arrivals.delayVariationMs, null);
  arrive({ sentAt: 10, delayMs: 26 });
  equal(arrivals.delayVariationMs, 1);
  arrive({ sentAt: 10, delayMs: 90 });
  equal(arrivals.delayVariationMs, 1, "it queued behind the one before");
  arrive({ sentAt: 20, delayMs: 26 });
  equal(arrivals.delayVariationMs, 1 - 1 / 16);
});

Deno.test("a clock that was set is no jitter", () => {
  const { arrivals, arrive } = setUp();
  arrive({ sentAt: 0 });
  arrive({ sentAt: 10 });
  arrivals.arrived(0, 3, 100, 1_000_000_000, 40);
  equal(arrivals.delayVariationMs, 0);
  arrivals.arrived(0, 4, 100, 1_000_010_000, 50);
  equal(arrivals.delayVariationMs, 0);
});

Deno.test("much that vanishes with no queue filled is told with the next feedback", () => {
  const { arrivals, arrive, feedback } = setUp();
  let counter = 0;
  let now = 0;
  const interval = (sent: number, lost: number, delayMs = 10) => {
    counter += lost;
    for (let count = lost; count < sent; count++) {
      arrive({ sentAt: now += 1, counter: ++counter, delayMs });
    }
    feedback(now + delayMs);
    return arrivals.isVanishing;
  };
  equal(interval(100, 0), false);
  equal(interval(100, 30), false);
  equal(interval(100, 31), true);
  equal(interval(4, 2), false, "two may be chance");
  equal(interval(4, 3), true);
  equal(interval(100, 50, 30), false, "they may have found the queue full");
  equal(interval(100, 50), false);
  equal(interval(100, 50), true);
});

Deno.test("property: how far the clocks are apart does not matter, nor that they wrap", () => {
  const record = fc.record({
    gapMs: fc.integer({ min: 1, max: 500 }),
    delayMs: fc.integer({ min: 0, max: 900 }),
    counter: fc.integer({ min: 1, max: 2000 }),
  });
  const anywhere = fc.integer({ min: 0, max: U32 - 1 });
  const offset = fc.oneof(anywhere, fc.integer({ min: U32 - 3_000_000, max: U32 - 1 }));
  fc.assert(fc.property(fc.array(record, { minLength: 1 }), offset, (records, offsetUs) => {
    const told = [0, offsetUs].map((offset) => {
      const { arrive, feedback } = setUp(offset);
      let sentAt = 0;
      return records.map(({ gapMs, delayMs, counter }) => {
        arrive({ sentAt: sentAt += gapMs, delayMs, counter });
        const { received, expected, queueDelay, jitter } = feedback(sentAt + delayMs);
        ok(queueDelay >= 0 && jitter >= 0);
        return { received, expected, queueDelay, jitter };
      });
    });
    deepEqual(told[1], told[0]);
  }));
});
