import { equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { backoffMs } from "./backoff.ts";

const MAX_MS = 10_000;

Deno.test("backoffMs() doubles from 1 s and stays at the most it is given", () => {
  const waits = [1, 2, 3, 4, 5, 6, 2000].map((failures) => backoffMs(failures, 0, MAX_MS));
  equal(waits.join(), "1000,2000,4000,8000,10000,10000,10000");
  equal([1, 2, 3, 4].map((failures) => backoffMs(failures, 0, 3000)).join(), "1000,2000,3000,3000");
});

Deno.test("backoffMs() takes at most a quarter off, and more failures never wait less", () => {
  const failures = fc.integer({ min: 1, max: 5000 });
  const jitter = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(fc.property(failures, jitter, (failures, jitter) => {
    const full = backoffMs(failures, 0, MAX_MS);
    const wait = backoffMs(failures, jitter, MAX_MS);
    ok(wait <= full && wait >= full * 0.75 && wait <= MAX_MS);
    ok(backoffMs(failures + 1, jitter, MAX_MS) >= wait);
  }));
});

Deno.test("backoffMs() refuses counts and jitter out of range", () => {
  for (const failures of [0, -1, 1.5, NaN, Infinity]) {
    throws(() => backoffMs(failures, 0, MAX_MS), RangeError);
  }
  for (const jitter of [-0.1, 1.1, NaN]) throws(() => backoffMs(1, jitter, MAX_MS), RangeError);
});
