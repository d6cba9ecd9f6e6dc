import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { Acknowledgement } from "../../wire/acknowledgement.ts";
import { Aggregate } from "./aggregate.ts";
import { NO_SLOT, PacketSlots, SLOT_ORDERED, SLOT_REPEATED } from "./packet_slots.ts";

const OVERHEAD = 86;

class Bench {
  readonly slots = new PacketSlots(1024);
  readonly aggregate = new Aggregate(this.slots, OVERHEAD);
  readonly counters = [0, 0, 0];
  /** [path, slot] of what left. */
  readonly left: [number, number][] = [];

  offer(hash: number, now: number, traffic: "interactive" | "repeated" | "bulk" = "bulk"): number {
    const slot = this.slots.take();
    if (slot !== NO_SLOT) this.aggregate.offer(slot, 1500, hash, traffic, now);
    return slot;
  }

  drain(now: number): void {
    for (let slot = this.aggregate.poll(now); slot !== NO_SLOT; slot = this.aggregate.poll(now)) {
      const { id } = this.aggregate.departing!;
      this.aggregate.sent(slot, 0, ++this.counters[id]!, now);
      this.left.push([id, slot]);
    }
  }

  run(from: number, to: number): void {
    for (let now = from; now < to; now++) {
      this.aggregate.handleTimeout(now);
      this.drain(now);
    }
  }

  /** All that left on `path` has arrived, `delayMs` later than it left. */
  acknowledge(path: number, delayMs: number, now: number): void {
    const highest = this.counters[path]!;
    const message = Object.assign(new Acknowledgement(), {
      ...{ pathId: path, highest, from: 1, received: highest, bytes: highest * (1500 - OVERHEAD) },
      ...{ clock: now * 1000, echo: (now - 20) * 1000, delay: delayMs * 1000 },
    });
    equal(this.aggregate.acknowledge(message, now), null);
  }
}

Deno.test("a light flow takes the fastest path; what is interactive passes by", () => {
  const bench = new Bench();
  bench.aggregate.addPath({ id: 0, rate: 1000 });
  bench.aggregate.addPath({ id: 1, rate: 1000 });
  for (const [path, delay] of [[0, 40], [1, 10]] as const) {
    bench.aggregate.sentOther(bench.aggregate.lane(path)!, 0, ++bench.counters[path]!, 1500, 0);
    bench.acknowledge(path, delay, 30);
  }
  for (let now = 31; now < 40; now += 3) bench.offer(1, now), bench.drain(now);
  ok(bench.left.every(([path]) => path === 1), `${bench.left}`);
  for (let each = 0; each < 30; each++) bench.offer(1, 50);
  bench.drain(51);
  const ping = bench.offer(2, 51, "interactive");
  bench.left.length = 0;
  bench.run(51, 70);
  // Only what already had the path is before it.
  const before = bench.left.findIndex(([, slot]) => slot === ping);
  ok(before >= 0 && before < 8, `${before} before the ping`);
});

Deno.test("a flow that queues is spread over all paths, in order", () => {
  const bench = new Bench();
  bench.aggregate.addPath({ id: 0, rate: 500 });
  bench.aggregate.addPath({ id: 1, rate: 500 });
  for (let now = 0; now < 100; now++) {
    bench.offer(1, now);
    bench.run(now, now + 1);
    if (now % 20 === 19) {
      bench.acknowledge(0, 10, now);
      bench.acknowledge(1, 10, now);
    }
  }
  const spread = bench.left.filter(([, slot]) => (bench.slots.flags[slot]! & SLOT_ORDERED) !== 0);
  const shares = [0, 1].map((path) => spread.filter(([id]) => id === path).length);
  ok(shares[0]! > 10 && shares[1]! > 10, `${shares}`);
});

Deno.test("a path that falls silent gives what it has to the others, once", () => {
  const bench = new Bench();
  const [fast] = [bench.aggregate.addPath({ id: 0, rate: 5000 })];
  bench.aggregate.addPath({ id: 1, rate: 5000 });
  const slots = Array.from({ length: 5 }, () => bench.offer(1, 0));
  bench.drain(0);
  bench.run(1, 2);
  const on = bench.left.filter(([path]) => path === 0).length;
  ok(on > 0);
  for (let now = 20; now < 300; now += 20) {
    if (bench.counters[1]! > 0) bench.acknowledge(1, 10, now);
    bench.run(now, now + 20);
  }
  equal(fast!.state === "up", false);
  const { reinjected, retransmitted } = bench.aggregate.recovery;
  ok(reinjected + retransmitted >= on, `${reinjected} and ${retransmitted} of ${on}`);
  const again = bench.left.slice(5).filter(([path, slot]) => path === 1 && slots.includes(slot));
  ok(again.length >= on, `${again.length} of ${on}`);
  ok(again.every(([, slot]) => (bench.slots.flags[slot]! & SLOT_REPEATED) !== 0));
});

Deno.test("what a lost path gives back leaves in the order in which it came, and pings before it", () => {
  const bench = new Bench();
  const lost = bench.aggregate.addPath({ id: 0, rate: 1000 });
  const other = bench.aggregate.addPath({ id: 1, rate: 100 });
  for (const [path, delay] of [[0, 10], [1, 40]] as const) {
    bench.aggregate.sentOther(bench.aggregate.lane(path)!, 0, ++bench.counters[path]!, 1500, 0);
    bench.acknowledge(path, delay, 30);
  }
  for (let now = 40; now < 70; now++) {
    bench.offer(1, now);
    bench.run(now, now + 1);
  }
  bench.run(70, 118);
  // The oldest of the silent path were sent on it once more, with numbers behind those of the others.
  ok(bench.aggregate.recovery.retransmitted > 0);
  bench.left.length = 0;
  bench.aggregate.linkFailed(lost, 120);
  const ping = bench.offer(2, 120, "interactive");
  bench.run(120, 1000);
  const order = bench.left.map(([, slot]) => slot).filter((slot) => slot !== ping)
    .map((slot) => bench.slots.arrivedAt[slot]!);
  ok(other.reinjected > 20, `${other.reinjected}`);
  deepEqual(order.slice(0, 30), Array.from({ length: 30 }, (_, index) => 40 + index));
  ok(bench.left.findIndex(([, slot]) => slot === ping) <= 1);
});

Deno.test("of what a lost path gives back, a flow goes first up to what TCP repeats", () => {
  const bench = new Bench();
  const lost = bench.aggregate.addPath({ id: 0, rate: 1000 });
  bench.aggregate.addPath({ id: 1, rate: 100 });
  for (const [path, delay] of [[0, 10], [1, 40]] as const) {
    bench.aggregate.sentOther(bench.aggregate.lane(path)!, 0, ++bench.counters[path]!, 1500, 0);
    bench.acknowledge(path, delay, 30);
  }
  const all = Array.from({ length: 12 }, (_, each) => {
    const slot = bench.offer(1 + each % 2, 40 + each, each === 7 ? "repeated" : "bulk");
    bench.run(40 + each, 41 + each);
    return slot;
  });
  bench.run(52, 70);
  bench.left.length = 0;
  bench.aggregate.linkFailed(lost, 70);
  bench.run(70, 400);
  const order = bench.left.map(([, slot]) => all.indexOf(slot)).slice(0, 12);
  deepEqual(order, [1, 3, 5, 7, 0, 2, 4, 6, 8, 9, 10, 11]);
});

Deno.test("the last path stays in use, however silent", () => {
  const bench = new Bench();
  const lane = bench.aggregate.addPath({ id: 0 });
  bench.offer(1, 0);
  bench.run(0, 5000);
  equal(lane.state, "up");
});

Deno.test("hostile acknowledgements are counted and change nothing", () => {
  const bench = new Bench();
  const lane = bench.aggregate.addPath({ id: 0, rate: 1000 });
  bench.offer(1, 0);
  bench.drain(0);
  bench.acknowledge(0, 10, 5);
  bench.offer(1, 6);
  bench.drain(6);
  const before = [lane.capacity.estimate, lane.records.bytesInFlight, lane.heardAt];
  for (
    const fields of [
      { pathId: 9, highest: 1 },
      { highest: 3, received: 2 },
      { highest: 2, received: 1_000_000 },
      { highest: 2, received: 2, bytes: 0x7fffffff },
      { highest: 2, received: 0x90000000 },
      { epoch: 3, highest: 2, received: 2 },
    ]
  ) {
    const message = Object.assign(new Acknowledgement(), { from: 1, ...fields });
    ok(bench.aggregate.acknowledge(message, 10) !== null, JSON.stringify(fields));
  }
  deepEqual([lane.capacity.estimate, lane.records.bytesInFlight, lane.heardAt], before);
  equal(bench.aggregate.badAcknowledgements, 6);
});

Deno.test("property: no slot is lost, whatever paths come, go, fall silent and report", () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ offer: fc.nat(3), count: fc.integer({ min: 1, max: 60 }) }),
      fc.record({ add: fc.nat(2) }),
      fc.record({ remove: fc.nat(2) }),
      fc.record({ fail: fc.nat(2) }),
      fc.record({ ack: fc.nat(2), lost: fc.nat(5) }),
      fc.record({ wait: fc.integer({ min: 1, max: 150 }) }),
    ),
    { maxLength: 40 },
  );
  fc.assert(fc.property(steps, (each) => {
    const bench = new Bench();
    const { aggregate, slots, counters } = bench;
    let now = 0;
    for (const step of each) {
      if ("offer" in step) { for (let n = 0; n < step.count; n++) bench.offer(step.offer, now); }
      if ("add" in step && aggregate.lane(step.add) === null) {
        counters[step.add] = 0;
        aggregate.addPath({ id: step.add, rate: 800 });
      }
      if ("remove" in step) aggregate.removePath(step.remove, now);
      if ("fail" in step) {
        const lane = aggregate.lane(step.fail);
        if (lane !== null) aggregate.linkFailed(lane, now);
      }
      if ("ack" in step && counters[step.ack]! > 5) {
        const highest = counters[step.ack]!;
        const message = new Acknowledgement();
        Object.assign(message, {
          pathId: step.ack,
          highest,
          from: 1,
          received: highest - step.lost,
        });
        if (step.lost > 0) message.gaps = 1;
        message.gapStart[0] = highest - step.lost;
        message.gapLength[0] = step.lost;
        aggregate.acknowledge(message, now);
      }
      if ("wait" in step) bench.run(now, now += step.wait);
      bench.drain(now);
    }
    for (const id of [0, 1, 2]) aggregate.removePath(id, now);
    aggregate.addPath({ id: 0, rate: 100_000 });
    counters[0] = 0;
    bench.run(now, now + 2000);
    equal(slots.freeCount, slots.capacity);
  }));
});
