import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { TrafficHistory } from "./traffic_history.ts";

const bytes = (receivedBytes: number, sentBytes = 0) => ({ receivedBytes, sentBytes });

Deno.test("TrafficHistory: rates are differences of counters by time", () => {
  const history = new TrafficHistory();
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

Deno.test("TrafficHistory: a counter that starts again, or is away for a while, loses nothing", () => {
  const history = new TrafficHistory();
  history.add("a", 0, bytes(1_000));
  history.add("a", 1_000, null);
  history.add("a", 2_000, bytes(300));
  equal(history.of("a").receivedBytes, 1_300);
  history.add("a", 3_000, bytes(400));
  equal(history.of("a").receivedBytes, 1_400);
});

Deno.test("TrafficHistory: what flowed between two readings is spread over the seconds", () => {
  const history = new TrafficHistory();
  history.add("a", 0, bytes(0));
  history.add("a", 4_000, bytes(8_000));
  deepEqual(history.of("a").lastMinute, [2_000, 2_000, 2_000, 2_000]);
});

Deno.test("TrafficHistory: a minute is kept, never a negative rate, and all bytes are counted", () => {
  const reading = fc.tuple(fc.integer({ min: 0, max: 5_000 }), fc.option(fc.nat(1e9)));
  fc.assert(fc.property(fc.array(reading, { maxLength: 300 }), (readings) => {
    const history = new TrafficHistory();
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

Deno.test("TrafficHistory: counters of an interface begin at what they are at first", () => {
  const history = new TrafficHistory({ firstCounters: "are the zero" });
  history.add("wan", 0, bytes(1_000));
  equal(history.of("wan").receivedBytes, 0);
  history.add("wan", 1_000, bytes(3_000));
  equal(history.of("wan").receivedBytesPerSecond, 2_000);
  history.add("wan", 2_000, null);
  history.add("wan", 3_000, bytes(500));
  equal(history.of("wan").receivedBytes, 2_500);
});

Deno.test("TrafficHistory: rates are of the window alone, with few samples as well", () => {
  for (const samplesMax of [3, 128]) {
    const history = new TrafficHistory({ windowMs: 10_000, samplesMax });
    history.add("a", 0, bytes(0));
    history.add("a", 1_000, bytes(1_000_000));
    equal(history.of("a").receivedBytesPerSecond, 1_000_000);
    for (let second = 2; second <= 30; second++) history.add("a", second * 1_000, bytes(1_000_000));
    equal(history.of("a").receivedBytesPerSecond, 0);
  }
});

Deno.test("TrafficHistory forgets links that are gone", () => {
  const history = new TrafficHistory();
  history.add("a", 0, bytes(5));
  history.add("b", 0, bytes(7));
  history.keepOnly(["b"]);
  deepEqual(["a", "b"].map((name) => history.of(name).receivedBytes), [0, 7]);
});
