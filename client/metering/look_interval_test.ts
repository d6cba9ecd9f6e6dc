import { equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { BYTES_PER_SECOND_MIN, LOOK_MS_MAX, LOOK_MS_MIN, lookIntervalMs } from "./look_interval.ts";

Deno.test("a link is looked at more often the nearer it is to its cap, and at rest beyond it", () => {
  const resting = (leftBytes: number) => lookIntervalMs([{ leftBytes, bytesPerSecond: 0 }]);
  equal(lookIntervalMs([]), LOOK_MS_MAX);
  equal(resting(1e12), LOOK_MS_MAX);
  equal(resting(20e6), 400);
  equal(resting(1), LOOK_MS_MIN);
  equal(resting(0), LOOK_MS_MAX);
  equal(resting(-5e6), LOOK_MS_MAX);
  const fast = { leftBytes: 100e6, bytesPerSecond: 125e6 };
  equal(lookIntervalMs([{ leftBytes: 1e12, bytesPerSecond: 0 }, fast]), 400);
});

Deno.test("property: a link goes beyond its cap by no more than it carries between two looks", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1_000_000, max: 10_000_000_000 }),
      fc.integer({ min: 1_000_000, max: BYTES_PER_SECOND_MIN }),
      (capBytes, rate) => {
        // At rest until the first look, then at full rate.
        let bytes = 0;
        for (let bytesPerSecond = 0; bytes < capBytes; bytesPerSecond = rate) {
          bytes += rate * lookIntervalMs([{ leftBytes: capBytes - bytes, bytesPerSecond }]) / 1000;
        }
        ok(bytes - capBytes <= rate * LOOK_MS_MIN / 1000, `${bytes} of ${capBytes} at ${rate}`);
      },
    ),
  );
});
