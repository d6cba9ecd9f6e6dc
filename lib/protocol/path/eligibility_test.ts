import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import {
  CONFIRM_MS,
  Eligibility,
  type Fault,
  faultOf,
  limitsFor,
  type PathMeasure,
  PROBATION_MS,
  RETURN_MS,
} from "./eligibility.ts";

const LIMITS = limitsFor(50);

function measure(change: Partial<PathMeasure> = {}): PathMeasure {
  return { rttMs: 20, jitterMs: 1, loss: 0, lostCount: 0, isNarrow: false, ...change };
}

Deno.test("limitsFor() follows the time a packet out of order is waited for", () => {
  deepEqual([10, 50, 80, 500].map((ms) => limitsFor(ms).jitterMs), [10, 15, 24, 25]);
  deepEqual([0, 50, 500].map((ms) => limitsFor(ms).rttSlackMs), [10, 50, 500]);
});

Deno.test("faultOf() names what is wrong, and holds nothing unknown against a path", () => {
  equal(faultOf(measure(), 20, LIMITS), null);
  equal(faultOf(measure({ loss: 0.05, lostCount: 5 }), 20, LIMITS), "loss");
  equal(faultOf(measure({ loss: 0.05, lostCount: 2 }), 20, LIMITS), null, "two may be chance");
  equal(faultOf(measure({ jitterMs: 16 }), 20, LIMITS), "jitter");
  equal(faultOf(measure({ rttMs: 150 }), 20, LIMITS), "rtt");
  equal(faultOf(measure({ rttMs: 69 }), 20, LIMITS), null, "within what reordering mends");
  equal(faultOf(measure({ rttMs: 290 }), 200, LIMITS), null, "within half as much again");
  equal(faultOf(measure({ isNarrow: true }), 20, LIMITS), "mtu");
  const unknown = { rttMs: null, jitterMs: null, loss: null, lostCount: 0, isNarrow: false };
  equal(faultOf(unknown, 20, LIMITS), null);
  equal(faultOf(measure(), null, LIMITS), null);
});

/** Judges a path bad, for long enough that it is believed. Returns the time. */
function condemn(eligibility: Eligibility, fault: Fault, now: number): number {
  eligibility.judge(fault, now);
  eligibility.judge(fault, now + CONFIRM_MS);
  return now + CONFIRM_MS;
}

Deno.test("a fault counts once it lasts, and a short one never", () => {
  const eligibility = new Eligibility();
  eligibility.judge("jitter", 1000);
  equal(eligibility.reason, null);
  equal(eligibility.nextDeadline, 1000 + CONFIRM_MS);
  eligibility.judge(null, 1500);
  equal(eligibility.nextDeadline, Infinity);
  eligibility.judge("loss", 1600);
  eligibility.judge("jitter", 1599 + CONFIRM_MS);
  equal(eligibility.reason, null);
  eligibility.judge("loss", 1600 + CONFIRM_MS);
  equal(eligibility.reason, "loss");
});

Deno.test("a bad path is trusted again after a time without fault", () => {
  const eligibility = new Eligibility();
  const now = condemn(eligibility, "jitter", 1000);
  equal(eligibility.reason, "jitter");
  eligibility.judge(null, now + 500);
  equal(eligibility.reason, "recovering");
  equal(eligibility.nextDeadline, now + 500 + PROBATION_MS);
  eligibility.judge(null, now + 499 + PROBATION_MS);
  equal(eligibility.reason, "recovering");
  eligibility.judge(null, now + 500 + PROBATION_MS);
  equal(eligibility.reason, null);
  equal(eligibility.nextDeadline, Infinity);
});

Deno.test("a path that relapses is waited for longer each time, up to a limit", () => {
  const eligibility = new Eligibility();
  let now = 0;
  const waits: number[] = [];
  for (let round = 0; round < 7; round++) {
    const from = now = condemn(eligibility, "loss", now);
    while (eligibility.reason !== null) eligibility.judge(null, now += 500);
    waits.push(now - from - 500);
  }
  deepEqual(waits, [2000, 4000, 8000, 16_000, 32_000, 32_000, 32_000]);
  now += 60_000;
  now = condemn(eligibility, "loss", now);
  eligibility.judge(null, now);
  equal(eligibility.nextDeadline - now, PROBATION_MS);
});

Deno.test("a fault on probation, however short, begins it anew", () => {
  const eligibility = new Eligibility();
  eligibility.recovered(1000);
  const faultyAt = 900 + RETURN_MS;
  eligibility.judge("jitter", faultyAt);
  equal(eligibility.reason, "recovering");
  equal(eligibility.nextDeadline, faultyAt + CONFIRM_MS, "there is nothing to do before");
  eligibility.judge("jitter", faultyAt + 500);
  equal(eligibility.nextDeadline, faultyAt + CONFIRM_MS);
  eligibility.judge(null, faultyAt + 600);
  equal(eligibility.reason, "recovering");
  equal(eligibility.nextDeadline, faultyAt + 600 + PROBATION_MS);
});

Deno.test("whatever is judged, a path is trusted only after its time without fault", () => {
  const verdict = fc.record({
    afterMs: fc.integer({ min: 0, max: 1500 }),
    fault: fc.constantFrom<(Fault | null)[]>(null, null, null, "rtt", "loss", "jitter", "mtu"),
    isCertain: fc.boolean(),
  });
  fc.assert(fc.property(fc.array(verdict, { maxLength: 60 }), (verdicts) => {
    const eligibility = new Eligibility();
    let now = 0;
    let goodSince = 0;
    for (const { afterMs, fault, isCertain } of verdicts) {
      now += afterMs;
      const before = eligibility.reason;
      eligibility.judge(fault, now, isCertain);
      if (fault === null && before !== null && eligibility.reason === null) {
        ok(now - goodSince >= PROBATION_MS, `trusted after ${now - goodSince} ms`);
      }
      if (fault !== null) goodSince = Infinity;
      else if (goodSince === Infinity) goodSince = now;
      if (fault !== null && isCertain) equal(eligibility.reason, fault);
      ok(eligibility.nextDeadline > now, "what is due has been done");
    }
  }));
});

Deno.test("a path that was down carries flows again soon, however often that was", () => {
  const eligibility = new Eligibility();
  for (let now = 1000; now < 60_000; now += 5000) {
    eligibility.recovered(now);
    equal(eligibility.reason, "recovering");
    eligibility.judge(null, now + RETURN_MS);
    equal(eligibility.reason, null);
  }
});

Deno.test("a path that was bad before it was down has to prove itself as it had to", () => {
  const eligibility = new Eligibility();
  eligibility.recovered(condemn(eligibility, "loss", 1000));
  equal(eligibility.reason, "loss");
  eligibility.judge(null, 3000);
  eligibility.recovered(3500);
  eligibility.judge(null, 2999 + PROBATION_MS);
  equal(eligibility.reason, "recovering");
  eligibility.judge(null, 3000 + PROBATION_MS);
  equal(eligibility.reason, null);
});

Deno.test("a long way is no relapse", () => {
  const eligibility = new Eligibility();
  let now = 0;
  for (let round = 0; round < 4; round++) {
    now = condemn(eligibility, "rtt", now);
    equal(eligibility.isFar, true);
    eligibility.judge(null, now);
    equal(eligibility.isFar, true, "what it carries may stay on it");
    equal(eligibility.nextDeadline - now, PROBATION_MS);
    eligibility.judge(null, now += PROBATION_MS);
    deepEqual([eligibility.reason, eligibility.isFar], [null, false]);
  }
  eligibility.judge(null, condemn(eligibility, "jitter", now));
  deepEqual([eligibility.reason, eligibility.isFar], ["recovering", false]);
});
