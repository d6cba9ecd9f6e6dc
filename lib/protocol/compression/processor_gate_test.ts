import { equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { ProcessorGate } from "./processor_gate.ts";

const SECOND = 1000;

/** A gate, the time, and traffic at an even pace whose packets cost so much to compress. */
class Bench {
  readonly gate = new ProcessorGate();
  now = 0;

  /**
   * Sends for a while, no faster than compressing lets it; returns how many packets met an open gate,
   * and how many a closed one.
   */
  send(packetsPerSecond: number, costUs: number, durationMs: number) {
    const met = { open: 0, closed: 0 };
    const end = this.now + durationMs;
    while (this.now < end - 1e-6) {
      const isOpen = this.gate.count(this.now);
      if (isOpen) this.gate.noteCost(costUs / SECOND);
      met[isOpen ? "open" : "closed"]++;
      this.now += Math.max(SECOND / packetsPerSecond, isOpen ? costUs / SECOND : 0);
    }
    return met;
  }
}

Deno.test("links that are the limit find it open: 30,000 packets a second of 20 us", () => {
  equal(new Bench().send(30_000, 20, 5 * SECOND).closed, 0);
});

Deno.test("a fast moment, as in slow start, does not close it", () => {
  const bench = new Bench();
  for (let round = 0; round < 20; round++) {
    equal(bench.send(60_000, 20, 300).closed, 0);
    equal(bench.send(5_000, 20, 1200).closed, 0);
  }
});

Deno.test("a processor that is the limit closes it within a second", () => {
  const bench = new Bench();
  const { open } = bench.send(300_000, 20, SECOND);
  ok(open * 0.02 <= 900, `${open} packets of 20 us`);
  equal(bench.send(300_000, 20, 10 * SECOND).open, 0);
});

Deno.test("traffic that costs nothing never closes it: what is encrypted is not even tried", () => {
  equal(new Bench().send(400_000, 0.1, 3 * SECOND).closed, 0);
});

Deno.test("it opens when the packets of a second would have cost less than half of it", () => {
  const bench = new Bench();
  bench.send(300_000, 20, 2 * SECOND);
  bench.send(30_000, 20, SECOND);
  equal(bench.send(30_000, 20, 3 * SECOND).open, 0, "0.6 of a second");
  bench.send(20_000, 20, 1200);
  equal(bench.send(20_000, 20, SECOND).closed, 0, "0.4 of a second");
});

Deno.test("a second of silence opens it", () => {
  const bench = new Bench();
  bench.send(300_000, 20, 2 * SECOND);
  bench.now += 1100;
  equal(bench.send(100, 20, SECOND).closed, 0);
});

Deno.test("in no second does compressing take more than a second and two windows", () => {
  const step = fc.tuple(
    fc.integer({ min: 1, max: 100_000 }),
    fc.integer({ min: 1, max: 60 }),
    fc.integer({ max: 3000 }),
  );
  fc.assert(
    fc.property(fc.array(step), (traffic) => {
      const gate = new ProcessorGate();
      const tries: { at: number; costMs: number }[] = [];
      let now = 0;
      for (const [packetsPerSecond, costUs, count] of traffic) {
        for (let packet = 0; packet < count; packet++) {
          now += Math.max(SECOND / packetsPerSecond, costUs / SECOND);
          if (!gate.count(now)) continue;
          gate.noteCost(costUs / SECOND);
          tries.push({ at: now, costMs: costUs / SECOND });
        }
      }
      let [from, costMs] = [0, 0];
      for (const { at, costMs: cost } of tries) {
        costMs += cost;
        while (tries[from]!.at < at - SECOND) costMs -= tries[from++]!.costMs;
        ok(costMs <= 1200, `${costMs} ms`);
      }
    }),
    { numRuns: 30 },
  );
});
