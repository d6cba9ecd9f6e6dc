import { equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { TokenBucket } from "./token_bucket.ts";

Deno.test("a burst goes through at once, then one per period", () => {
  const bucket = new TokenBucket(10, 3);
  const taken = (now: number) => {
    let count = 0;
    while (bucket.take(now)) count++;
    return count;
  };
  equal(taken(5000), 3);
  equal(taken(5099), 0);
  equal(taken(5100), 1);
  equal(taken(5300), 2);
  equal(taken(1_000_000), 3);
});

Deno.test("no span sees more than its share and a burst, whatever the times", () => {
  const gaps = fc.array(fc.double({ min: -50, max: 200, noNaN: true }), { maxLength: 200 });
  fc.assert(fc.property(gaps, fc.integer({ min: 1, max: 20 }), (gaps, burst) => {
    const bucket = new TokenBucket(100, burst);
    const first = gaps[0] ?? 0;
    let [now, latest, taken] = [0, first, 0];
    for (const gap of gaps) {
      now += gap;
      latest = Math.max(latest, now);
      if (bucket.take(now)) taken++;
      ok(taken <= burst + (latest - first) / 10 + 1e-6);
    }
  }));
});

Deno.test("rates and bursts that are none are refused", () => {
  for (const [perSecond, burst] of [[0, 1], [-1, 1], [NaN, 1], [Infinity, 1], [1, 0], [1, NaN]]) {
    throws(() => new TokenBucket(perSecond!, burst!), RangeError);
  }
});
