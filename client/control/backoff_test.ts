import { equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { BACKOFF_JITTER_SHARE, BACKOFF_MAX_MS, backoffMs } from "./backoff.ts";

Deno.test("backoffMs() doubles from 1 s and stays at 10 s", () => {
  const waits = [1, 2, 3, 4, 5, 6, 2000].map((failures) => backoffMs(failures, 0));
  equal(waits.join(), "1000,2000,4000,8000,10000,10000,10000");
});

Deno.test("backoffMs() takes at most a quarter off, and more failures never wait less", () => {
  const failures = fc.integer({ min: 1, max: 5000 });
  const jitter = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(fc.property(failures, jitter, (failures, jitter) => {
    const full = backoffMs(failures, 0);
    const wait = backoffMs(failures, jitter);
    ok(wait <= full && wait >= full * (1 - BACKOFF_JITTER_SHARE) && wait <= BACKOFF_MAX_MS);
    ok(backoffMs(failures + 1, jitter) >= wait);
  }));
});

Deno.test("backoffMs() refuses counts and jitter out of range", () => {
  for (const failures of [0, -1, 1.5, NaN, Infinity]) {
    throws(() => backoffMs(failures, 0), RangeError);
  }
  for (const jitter of [-0.1, 1.1, NaN]) throws(() => backoffMs(1, jitter), RangeError);
});
