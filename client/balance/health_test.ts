import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { FAILURES_MAX, Health, stabilityScore } from "./health.ts";

/** Probes at a fixed interval, on virtual time; the times at which the state changes. */
function changes(intervalMs: number, answers: readonly (number | null)[]): [number, string][] {
  const health = new Health();
  return answers.flatMap((answer, index): [number, string][] =>
    health.probed(answer) ? [[index * intervalMs, health.state]] : []
  );
}

Deno.test("Health takes an uplink out at the third failure in a row, and back at one success", () => {
  deepEqual(changes(5_000, [8, null, null, 9, null, null, null, null, 7, 7]), [
    [30_000, "unanswered"],
    [40_000, "healthy"],
  ]);
  deepEqual(changes(5_000, [null, null, 1, null, null, 1]), []);
});

Deno.test("Health: out means the last three failed, in means the last was answered since", () => {
  fc.assert(fc.property(fc.array(fc.boolean(), { maxLength: 60 }), (answers) => {
    const health = new Health();
    let expected = true;
    let failures = 0;
    for (const answered of answers) {
      health.probed(answered ? 10 : null);
      failures = answered ? 0 : failures + 1;
      expected = answered || (expected && failures < FAILURES_MAX);
      equal(health.isHealthy, expected);
    }
  }));
});

Deno.test("Health is out at once when the link goes, and late answers do not count", () => {
  const health = new Health();
  health.probed(10);
  equal(health.linkDown(), true);
  equal(health.state, "link down");
  equal(health.linkDown(), false);
  equal(health.probed(10), false);
  equal(health.isHealthy, false);

  health.linkUp();
  equal(health.state, "unanswered");
  equal(health.report().rttMs, null);
  equal(health.probed(null), false);
  equal(health.probed(12), true);
  equal(health.isHealthy, true);
});

Deno.test("Health: an uplink that is there from the start works until it is seen not to", () => {
  const health = new Health();
  health.linkDown();
  health.assumeUp();
  equal(health.isHealthy, true);
});

Deno.test("Health reports round trip, jitter, and the loss of recent probes", () => {
  const health = new Health();
  for (let probe = 0; probe < 100; probe++) health.probed(null);
  equal(health.report().loss, 1);
  equal(health.report().score, 0);
  for (let probe = 0; probe < 15; probe++) health.probed(20);
  const report = health.report();
  equal(report.loss, 0.25);
  equal(report.probes, 20);
  equal(report.rttMs, 20);
  equal(report.jitterMs, 0);
});

Deno.test("stabilityScore() is 0 to 100 and falls with each of its three", () => {
  equal(stabilityScore({ rttMs: 0, jitterMs: 0, loss: 0 }), 100);
  equal(stabilityScore({ rttMs: null, jitterMs: null, loss: 1 }), 0);
  const ms = fc.double({ min: 0, max: 10_000, noNaN: true });
  const part = fc.double({ min: 0, max: 1, noNaN: true });
  fc.assert(fc.property(ms, ms, part, ms, (rttMs, jitterMs, loss, more) => {
    const score = stabilityScore({ rttMs, jitterMs, loss });
    ok(score >= 0 && score <= 100 && Number.isInteger(score));
    ok(stabilityScore({ rttMs: rttMs + more, jitterMs, loss }) <= score);
    ok(stabilityScore({ rttMs, jitterMs: jitterMs + more, loss }) <= score);
    ok(stabilityScore({ rttMs, jitterMs, loss: (1 + loss) / 2 }) <= score);
  }));
});
