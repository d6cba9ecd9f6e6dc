/** The reorder buffer beside a reference that keeps plain arrays and searches them. */

import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { DELIVER_NOW } from "./reorder_buffer.ts";
import { Receiver } from "./test_receiver.ts";

const RUNS = { numRuns: 400 };

/** The same promises with arrays, numbers that never wrap, and every search a full one. */
class Reference {
  readonly delivered: number[] = [];
  held: { place: number; arrivedAt: number }[] = [];
  next = 0;
  drops = 0;
  flushes = 0;

  constructor(readonly capacity: number, readonly timeoutMs: number) {}

  arrive(place: number, now: number): void {
    if (place < this.next || this.held.some((packet) => packet.place === place)) {
      this.drops++;
      return this.wait(now);
    }
    while (place - this.next >= this.capacity) {
      this.next = Math.min(place, ...this.held.map((packet) => packet.place));
      this.flushes++;
      this.#drain();
      this.wait(now);
    }
    this.held.push({ place, arrivedAt: now });
    this.#drain();
    this.wait(now);
  }

  wait(now: number): void {
    while (this.held.some((packet) => packet.arrivedAt + this.timeoutMs <= now)) {
      this.next = Math.min(...this.held.map((packet) => packet.place));
      this.flushes++;
      this.#drain();
    }
  }

  deadline(): number {
    return Math.min(...this.held.map((packet) => packet.arrivedAt + this.timeoutMs));
  }

  #drain(): void {
    while (this.held.some((packet) => packet.place === this.next)) {
      this.held = this.held.filter((packet) => packet.place !== this.next);
      this.delivered.push(this.next++);
    }
  }
}

/**
 * Arrivals as a bonded link makes them: places mostly rise, some jump ahead of others, some come
 * twice or never, and time passes in between.
 */
const ARRIVALS = fc.array(
  fc.record({
    step: fc.oneof(
      { weight: 12, arbitrary: fc.integer({ min: -3, max: 4 }) },
      { weight: 3, arbitrary: fc.integer({ min: -20, max: 20 }) },
      { weight: 1, arbitrary: fc.integer({ min: 0, max: 200 }) },
    ),
    elapsedMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3 }), fc.nat({ max: 30 })),
  }),
  { maxLength: 150 },
);

/** From here the wrap is crossed in most runs; from 1 in none. */
const FIRST_SEQUENCES = fc.constantFrom(1, 0xffffffff, 0xfffffff0, 0xffffffc0, 0x7fffffff);

/** The wire number of the `place`-th packet: 0 is never used. */
function sequenceAt(firstSequence: number, place: number): number {
  const sequence = firstSequence + place;
  return sequence > 0xffffffff ? sequence - 0xffffffff : sequence;
}

Deno.test("property: the buffer delivers what the reference delivers, at the same time", () => {
  const options = fc.record({
    capacity: fc.constantFrom(2, 3, 8, 32, 33, 100),
    flushTimeoutMs: fc.constantFrom(0, 5, 20),
    firstSequence: FIRST_SEQUENCES,
  });
  fc.assert(
    fc.property(options, ARRIVALS, ({ capacity, flushTimeoutMs, firstSequence }, arrivals) => {
      // The place of 0 takes room in the window while it is being crossed: the reference has no
      // such place, so overflow is compared only where no wrap comes near.
      const wraps = firstSequence > 0xffffff00;
      const room = wraps ? 5000 : capacity;
      const receiver = new Receiver({ capacity: room, flushTimeoutMs, firstSequence });
      const reference = new Reference(room, flushTimeoutMs);
      let place = 0;
      let now = 0;
      for (const { step, elapsedMs } of arrivals) {
        place = Math.max(0, place + step);
        now += elapsedMs;
        receiver.arrive(sequenceAt(firstSequence, place), now);
        reference.arrive(place, now);
        deepEqual(
          receiver.delivered,
          reference.delivered.map((place) => sequenceAt(firstSequence, place)),
        );
        equal(receiver.buffer.depth, reference.held.length);
        equal(receiver.buffer.nextDeadline(), reference.deadline());
        equal(receiver.buffer.counters.drops, reference.drops);
        equal(receiver.buffer.counters.flushes, reference.flushes);
      }
    }),
    RUNS,
  );
});

Deno.test("property: in order, once each, none held too long, and nothing stays behind", () => {
  const options = fc.record({
    capacity: fc.integer({ min: 1, max: 70 }),
    flushTimeoutMs: fc.nat({ max: 20 }),
    firstSequence: FIRST_SEQUENCES,
  });
  fc.assert(
    fc.property(options, ARRIVALS, (options, arrivals) => {
      const { buffer, delivered, arrive, wait } = new Receiver(options);
      const arrivedAt = new Map<number, number>();
      let place = 0;
      let now = 0;
      for (const { step, elapsedMs } of arrivals) {
        place = Math.max(0, place + step);
        now += elapsedMs;
        const before = delivered.length;
        const sequence = sequenceAt(options.firstSequence, place);
        const answer = arrive(sequence, now);
        if (answer >= 0) arrivedAt.set(sequence, now);
        ok(answer < options.capacity);
        ok(buffer.depth < options.capacity);
        ok(buffer.nextDeadline() > now, "drained, so nothing is due");
        for (const packet of delivered.slice(before)) arrivedAt.delete(packet);
        for (const [packet, since] of arrivedAt) {
          ok(now - since < options.flushTimeoutMs, `${packet} is held for ${now - since} ms`);
        }
      }
      wait(buffer.nextDeadline() + 1000);
      equal(buffer.depth, 0);
      for (let index = 1; index < delivered.length; index++) {
        const step = delivered[index]! - delivered[index - 1]! | 0;
        ok(step > 0, `${delivered[index]} after ${delivered[index - 1]}`);
      }
    }),
    RUNS,
  );
});

Deno.test("property: no sequence of any kind wedges the buffer or throws", () => {
  const anything = fc.array(fc.tuple(fc.nat({ max: 0xffffffff }), fc.nat({ max: 5000 })));
  fc.assert(
    fc.property(anything, (packets) => {
      const { buffer, arrive, delivered, wait } = new Receiver({
        capacity: 16,
        flushTimeoutMs: 20,
      });
      let now = 0;
      for (const [sequence, elapsedMs] of packets) arrive(sequence, now += elapsedMs);
      wait(now += 1000);
      equal(buffer.depth, 0);
      // Whatever came before, the packet after the last one delivered is taken.
      const last = delivered.findLast((sequence) => sequence !== 0) ?? 0;
      equal(arrive(last === 0xffffffff ? 1 : last + 1, now), DELIVER_NOW);
    }),
    RUNS,
  );
});
