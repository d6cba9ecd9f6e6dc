import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { newMemory, PacketCells } from "./packet_cells.ts";
import { NO_SLOT } from "./packet_store.ts";
import { RateGate } from "./rate_gate.ts";

const MEMORY = newMemory(2048);

/** Offers packets to a gate on virtual time, and notes what passes when. */
class Bench {
  readonly gate: RateGate;
  readonly passed: { number: number; at: number; bytes: number }[] = [];
  dropped = 0;

  constructor(bytesPerSecond: number) {
    this.gate = new RateGate(bytesPerSecond, new PacketCells());
  }

  offer(number: number, bytes: number, now: number): void {
    this.release(now);
    MEMORY.view.setUint32(0, number);
    if (this.gate.pass(bytes, now)) this.passed.push({ number, at: now, bytes });
    else if (!this.gate.hold(MEMORY, 0, bytes, 0)) this.dropped++;
  }

  release(now: number): void {
    for (let slot = this.gate.take(now); slot !== NO_SLOT; slot = this.gate.take(now)) {
      const { memory, offset, length } = this.gate.get(slot);
      this.passed.push({ number: memory.view.getUint32(offset), at: now, bytes: length });
      this.gate.release(slot);
    }
  }
}

Deno.test("a flood passes at the rate, in its order, and the rest is dropped", () => {
  const bench = new Bench(1_250_000); // 10 Mbit/s
  let number = 0;
  for (let now = 0; now < 5000; now++) {
    for (let each = 0; each < 5; each++) bench.offer(number++, 1000, now);
  }
  const bytes = bench.passed.reduce((sum, packet) => sum + packet.bytes, 0);
  ok(Math.abs(bytes / 5 / 1_250_000 - 1) < 0.01, `${bytes} bytes in 5 s`);
  const numbers = bench.passed.map((packet) => packet.number);
  deepEqual(numbers, numbers.toSorted((one, other) => one - other));
  equal(bench.gate.droppedPackets, bench.dropped);
  equal(bench.passed.length + bench.dropped + bench.gate.waiting, number);
});

Deno.test("what comes below the rate passes at once", () => {
  const bench = new Bench(1_250_000);
  for (let now = 0; now < 1000; now++) bench.offer(now, 1200, now);
  equal(bench.passed.length, 1000);
  ok(bench.passed.every(({ number, at }) => number === at));
});

Deno.test("a rate that is lifted lets all that waits pass, and a new one holds from then on", () => {
  const bench = new Bench(12_500);
  for (let number = 0; number < 40; number++) bench.offer(number, 1000, 0);
  ok(bench.gate.waiting > 30);
  equal(bench.gate.nextAt(0) < Infinity, true);
  bench.gate.setRate(null);
  bench.release(1);
  equal(bench.passed.length, 40);
  equal(bench.gate.nextAt(1), Infinity);
  bench.gate.setRate(12_500);
  for (let number = 40; number < 50; number++) bench.offer(number, 1000, 2);
  equal(bench.gate.waiting, 9);
  bench.gate.free();
  equal(bench.gate.waiting, 0);
});

Deno.test("property: no span carries more than the rate, a burst and one packet", () => {
  const steps = fc.array(fc.tuple(fc.nat(40), fc.integer({ min: 40, max: 1500 })), {
    minLength: 1,
    maxLength: 200,
  });
  fc.assert(fc.property(steps, fc.integer({ min: 12_500, max: 12_500_000 }), (each, rate) => {
    const bench = new Bench(rate);
    let now = 0;
    for (const [number, [wait, bytes]] of each.entries()) {
      now += wait / 10;
      bench.offer(number, bytes, now);
      const sent = bench.passed.reduce((sum, packet) => sum + packet.bytes, 0);
      ok(sent <= rate / 1000 * (now + 10) + 1500, `${sent} bytes in ${now} ms`);
    }
    bench.gate.setRate(null);
    bench.release(now);
    deepEqual(bench.passed.length + bench.dropped, each.length);
  }));
});
