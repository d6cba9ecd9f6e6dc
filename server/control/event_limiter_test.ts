import { equal } from "node:assert/strict";
import { EventLimiter } from "./event_limiter.ts";

const PERIOD_MS = 10_000;

Deno.test("each kind has its lines in a period, and the next one counts what was kept back", () => {
  const limiter = new EventLimiter(2, PERIOD_MS);
  for (const kind of ["one", "other"]) {
    equal(limiter.admit(kind, 0), 0);
    equal(limiter.admit(kind, 1), 0);
    equal(limiter.admit(kind, 2), null);
    equal(limiter.admit(kind, PERIOD_MS - 1), null);
    equal(limiter.admit(kind, PERIOD_MS), 2);
    equal(limiter.admit(kind, PERIOD_MS + 1), 0);
    equal(limiter.admit(kind, PERIOD_MS + 2), null);
  }
});

Deno.test("1024 kinds are remembered, those seen last", () => {
  const limiter = new EventLimiter(1, PERIOD_MS);
  const keepsBack = (kind: string) => limiter.admit(kind, 0) === null;
  for (let i = 0; i < 1024; i++) equal(keepsBack(`name ${i}`), false);
  equal(keepsBack("name 0"), true);
  equal(keepsBack("one more"), false);
  equal(keepsBack("name 0"), true, "seen again meanwhile");
  equal(keepsBack("name 2"), true);
  equal(keepsBack("name 1"), false, "seen longest ago");
});
