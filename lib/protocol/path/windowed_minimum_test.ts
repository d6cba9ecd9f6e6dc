import { equal } from "node:assert/strict";
import fc from "fast-check";
import { WindowedMinimum } from "./windowed_minimum.ts";

Deno.test("WindowedMinimum forgets what is older than its window", () => {
  const minimum = new WindowedMinimum(1000, 3);
  equal(minimum.least(0), Infinity);
  minimum.add(5, 100);
  minimum.add(7, 1100);
  equal(minimum.least(2999), 5);
  equal(minimum.least(3000), 7);
  equal(minimum.least(4000), Infinity);
  minimum.add(9, 1e9);
  equal(minimum.least(1e9), 9);
  minimum.reset();
  equal(minimum.least(1e9), Infinity);
});

Deno.test("WindowedMinimum agrees with looking through the buckets of the window", () => {
  const samples = fc.array(
    fc.tuple(fc.integer({ min: 0, max: 900 }), fc.integer({ min: -9, max: 9 })),
  );
  fc.assert(fc.property(samples, (steps) => {
    const minimum = new WindowedMinimum(1000, 4);
    const seen: [number, number][] = [];
    let now = 0;
    for (const [step, value] of steps) {
      now += step;
      minimum.add(value, now);
      seen.push([Math.floor(now / 1000), value]);
      const recent = seen.filter(([bucket]) => bucket > Math.floor(now / 1000) - 4);
      equal(minimum.least(now), Math.min(...recent.map(([, each]) => each)));
    }
  }));
});
