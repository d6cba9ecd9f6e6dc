import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { RateHistory } from "./rate_history.ts";

const bytes = (receivedBytes: number, sentBytes = 0) => ({ receivedBytes, sentBytes });

Deno.test("RateHistory: rates are differences of counters by time", () => {
  const history = new RateHistory();
  history.add("a", 1_000, bytes(500, 50));
  deepEqual(history.of("a"), {
    ...bytes(500, 50),
    receivedBytesPerSecond: 0,
    sentBytesPerSecond: 0,
    lastMinute: [],
  });
  history.add("a", 2_000, bytes(1_500, 50));
  history.add("a", 3_000, bytes(3_500, 150));
  deepEqual(history.of("a"), {
    ...bytes(3_500, 150),
    receivedBytesPerSecond: 1_500,
    sentBytesPerSecond: 50,
    lastMinute: [1_000, 2_100],
  });
  equal(history.of("b").receivedBytes, 0);
});

Deno.test("RateHistory: a counter that starts again, or is away for a while, loses nothing", () => {
  const history = new RateHistory();
  history.add("a", 0, bytes(1_000));
  history.add("a", 1_000, null);
  history.add("a", 2_000, bytes(300));
  equal(history.of("a").receivedBytes, 1_300);
  history.add("a", 3_000, bytes(400));
  equal(history.of("a").receivedBytes, 1_400);
});

Deno.test("RateHistory: what flowed between two readings is spread over the seconds", () => {
  const history = new RateHistory();
  history.add("a", 0, bytes(0));
  history.add("a", 4_000, bytes(8_000));
  deepEqual(history.of("a").lastMinute, [2_000, 2_000, 2_000, 2_000]);
});

Deno.test("RateHistory: a minute is kept, never a negative rate, and all bytes are counted", () => {
  const reading = fc.tuple(fc.integer({ min: 0, max: 5_000 }), fc.option(fc.nat(1e9)));
  fc.assert(fc.property(fc.array(reading, { maxLength: 300 }), (readings) => {
    const history = new RateHistory();
    let atMs = 0;
    let before = 0;
    for (const [stepMs, count] of readings) {
      history.add("a", atMs += stepMs, count === null ? null : bytes(count));
      const { receivedBytes, receivedBytesPerSecond, lastMinute } = history.of("a");
      ok(receivedBytes >= before && receivedBytesPerSecond >= 0);
      ok(lastMinute.length <= 60 && lastMinute.every((rate) => rate >= 0));
      before = receivedBytes;
    }
  }));
});
