import { equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { PacketRateGate } from "./packet_rate_gate.ts";

const SECOND = 1000;

/** A gate, the time, and traffic at an even pace. */
class Bench {
  readonly gate = new PacketRateGate();
  now: number;
  isOpen = true;

  constructor(now = 0) {
    this.now = now;
  }

  /** Sends for a while; returns how many packets met an open gate. */
  send(packetsPerSecond: number, durationMs: number): number {
    let open = 0;
    const count = Math.round(packetsPerSecond * durationMs / SECOND);
    for (let packet = 0; packet < count; packet++) {
      this.isOpen = this.gate.count(this.now + packet * SECOND / packetsPerSecond);
      if (this.isOpen) open++;
    }
    this.now += durationMs;
    return open;
  }
}

Deno.test("slow traffic finds it open all the time", () => {
  for (const start of [0, 12_345.6]) equal(new Bench(start).send(9500, 5 * SECOND), 47_500);
});

Deno.test("fast traffic closes it with the packets of a tenth of a second", () => {
  const bench = new Bench();
  equal(bench.send(300_000, SECOND), 999);
  equal(bench.send(12_000, 10 * SECOND), 0);
});

Deno.test("a rate between the limits leaves it as it is", () => {
  const bench = new Bench();
  bench.send(7000, 2 * SECOND);
  ok(bench.isOpen);
  bench.send(20_000, SECOND);
  equal(bench.send(7000, 20 * SECOND), 0);
});

Deno.test("it opens after a second of slow traffic, or of none", () => {
  const slow = new Bench();
  slow.send(20_000, SECOND);
  slow.send(3000, 900);
  ok(!slow.isOpen);
  slow.send(3000, 300);
  ok(slow.isOpen);
  const silent = new Bench();
  silent.send(20_000, SECOND);
  silent.now += 1200;
  equal(silent.send(100, SECOND), 100);
});

Deno.test("a fast moment during the wait starts it anew", () => {
  const bench = new Bench();
  bench.send(20_000, SECOND);
  for (let round = 0; round < 10; round++) {
    bench.send(1000, 800);
    bench.send(9000, 200);
    ok(!bench.isOpen);
  }
});

Deno.test("opening that makes traffic fast again is tried ever more seldom, at last each 32 s", () => {
  const bench = new Bench();
  const openedAfter: number[] = [];
  for (let round = 0; round < 8; round++) {
    bench.send(30_000, 200);
    const closedAt = bench.now;
    while (bench.send(1000, 100) === 0);
    openedAfter.push(Math.round((bench.now - closedAt) / SECOND));
  }
  equal(openedAfter.join(), "1,2,4,8,16,32,32,32");
});

Deno.test("after a steady while, the wait is a second again", () => {
  const bench = new Bench();
  for (let round = 0; round < 4; round++) {
    bench.send(30_000, 200);
    bench.now += 40 * SECOND;
    bench.send(100, 10);
  }
  bench.send(1000, 12 * SECOND);
  bench.send(30_000, 200);
  bench.send(1000, 1300);
  ok(bench.isOpen);
});

Deno.test("in no tenth of a second do more than 2000 packets find it open", () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 1, max: 60_000 }), fc.integer({ max: 3000 })));
  fc.assert(
    fc.property(steps, (traffic) => {
      const gate = new PacketRateGate();
      const openAt: number[] = [];
      let now = 0;
      for (const [packetsPerSecond, count] of traffic) {
        for (let packet = 0; packet < count; packet++) {
          now += SECOND / packetsPerSecond;
          if (gate.count(now)) openAt.push(now);
        }
      }
      for (let at = 2000; at < openAt.length; at++) {
        ok(openAt[at]! - openAt[at - 2000]! >= 100);
      }
    }),
    { numRuns: 30 },
  );
});
