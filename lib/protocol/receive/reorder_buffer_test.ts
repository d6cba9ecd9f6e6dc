import { deepEqual, equal, ok, throws } from "node:assert/strict";
import {
  DELIVER_NOW,
  DUPLICATE,
  EMPTY,
  LATE,
  OVERFLOW,
  REORDER_CAPACITY_MAX,
  ReorderBuffer,
} from "./reorder_buffer.ts";
import { Receiver } from "./test_receiver.ts";

const TIMEOUT = 50;

function receiver(capacity = 8, firstSequence = 1): Receiver {
  return new Receiver({ capacity, flushTimeoutMs: TIMEOUT, firstSequence });
}

Deno.test("packets in sequence pass straight through", () => {
  const buffer = new ReorderBuffer({ capacity: 4, flushTimeoutMs: TIMEOUT });
  for (let sequence = 1; sequence < 20; sequence++) {
    equal(buffer.offer(sequence, 0), DELIVER_NOW);
    equal(buffer.take(0), EMPTY);
  }
  deepEqual(buffer.counters, {
    bufferedEvents: 0,
    reorderedEvents: 0,
    drops: 0,
    flushes: 0,
    maxDepth: 0,
  });
  equal(buffer.nextDeadline(), Infinity);
});

Deno.test("a packet that overtook another waits for it", () => {
  const { delivered, buffer, arrive } = receiver();
  arrive(3, 0);
  arrive(2, 1);
  deepEqual(delivered, []);
  equal(buffer.depth, 2);
  equal(buffer.nextDeadline(), TIMEOUT);
  arrive(1, 2);
  deepEqual(delivered, [1, 2, 3]);
  equal(buffer.nextDeadline(), Infinity);
  deepEqual(buffer.counters, {
    bufferedEvents: 2,
    reorderedEvents: 2,
    drops: 0,
    flushes: 0,
    maxDepth: 2,
  });
});

Deno.test("late packets and duplicates are refused and counted", () => {
  const { buffer, arrive } = receiver();
  equal(arrive(1, 0), DELIVER_NOW);
  equal(arrive(1, 0), LATE);
  ok(arrive(3, 0) >= 0);
  equal(arrive(3, 0), DUPLICATE);
  equal(buffer.counters.drops, 2);
});

Deno.test("a slot not yet taken is a duplicate, not a new packet", () => {
  const buffer = new ReorderBuffer({ capacity: 4, flushTimeoutMs: TIMEOUT });
  const slot = buffer.offer(2, 0);
  equal(buffer.offer(1, 0), DELIVER_NOW);
  equal(buffer.offer(2, 0), DUPLICATE);
  ok(buffer.offer(3, 0) >= 0);
  equal(buffer.take(0), slot);
});

Deno.test("a gap is given up when the packet behind it has waited its time", () => {
  const { delivered, buffer, arrive, wait } = receiver();
  arrive(2, 10);
  wait(10 + TIMEOUT - 1);
  deepEqual(delivered, []);
  wait(10 + TIMEOUT);
  deepEqual(delivered, [2]);
  equal(buffer.counters.flushes, 1);
  equal(arrive(1, 70), LATE);
});

Deno.test("the waiting times of two gaps do not add up", () => {
  const { delivered, arrive, wait } = receiver();
  arrive(2, 0);
  arrive(4, 5);
  wait(TIMEOUT);
  deepEqual(delivered, [2]);
  wait(TIMEOUT + 4);
  deepEqual(delivered, [2]);
  wait(TIMEOUT + 5);
  deepEqual(delivered, [2, 4]);
});

Deno.test("the oldest packet decides, also when it is the last in sequence", () => {
  const { delivered, buffer, arrive, wait } = receiver();
  arrive(6, 0);
  arrive(4, 20);
  arrive(2, 40);
  equal(buffer.nextDeadline(), TIMEOUT);
  wait(TIMEOUT);
  deepEqual(delivered, [2, 4, 6]);
  equal(buffer.counters.flushes, 3);
});

Deno.test("filling one gap keeps the age of what waits behind the next", () => {
  const { delivered, buffer, arrive } = receiver();
  arrive(4, 0);
  arrive(2, 30);
  arrive(1, 40);
  deepEqual(delivered, [1, 2]);
  equal(buffer.nextDeadline(), TIMEOUT);
});

Deno.test("a flush timeout of 0 holds nothing", () => {
  const { delivered, arrive } = new Receiver({ capacity: 8, flushTimeoutMs: 0 });
  arrive(3, 7);
  arrive(2, 7);
  arrive(4, 7);
  deepEqual(delivered, [3, 4]);
});

Deno.test("a packet beyond the window pushes the oldest gaps out", () => {
  const { delivered, buffer, arrive } = receiver(4);
  arrive(2, 0);
  arrive(4, 0);
  equal(buffer.offer(5, 0), OVERFLOW);
  arrive(5, 0);
  deepEqual(delivered, [2]);
  arrive(7, 0);
  deepEqual(delivered, [2, 4, 5]);
  arrive(6, 0);
  deepEqual(delivered, [2, 4, 5, 6, 7]);
  equal(buffer.counters.flushes, 2);
});

Deno.test("a packet far ahead is delivered at once when nothing is held", () => {
  const { delivered, buffer, arrive } = receiver(4);
  arrive(1, 0);
  equal(arrive(1_000_000, 0), DELIVER_NOW);
  equal(arrive(1_000_001, 0), DELIVER_NOW);
  equal(arrive(2, 0), LATE);
  deepEqual(delivered, [1, 1_000_000, 1_000_001]);
  equal(buffer.counters.flushes, 1);
});

Deno.test("skipGap does nothing where there is no gap", () => {
  const { buffer, delivered, arrive } = receiver();
  buffer.skipGap();
  arrive(1, 0);
  deepEqual(delivered, [1]);
  const slot = buffer.offer(3, 0);
  buffer.offer(2, 0);
  buffer.skipGap(); // 3 is next: no gap
  equal(buffer.take(0), slot);
  equal(buffer.counters.flushes, 0);
});

Deno.test("an overflow that was answered by another packet is forgotten", () => {
  const { buffer, arrive } = receiver(4);
  equal(buffer.offer(100, 0), OVERFLOW);
  equal(arrive(1, 0), DELIVER_NOW);
  buffer.skipGap();
  equal(arrive(2, 0), DELIVER_NOW);
});

Deno.test("what is marked empty spends its sequence and is never taken", () => {
  const { buffer, delivered, arrive, arriveEmpty } = receiver();
  arriveEmpty(2, 0);
  arrive(3, 0);
  arriveEmpty(4, 0);
  arrive(1, 0);
  deepEqual(delivered, [1, 3]);
  equal(arrive(5, 0), DELIVER_NOW);
  equal(buffer.depth, 0);
  // The mark does not outlive its packet: the ring comes round to the same slots.
  for (let sequence = 13; sequence >= 6; sequence--) arrive(sequence, 0);
  deepEqual(delivered, [1, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
});

Deno.test("an empty mark behind a gap is given up in its time too", () => {
  const { buffer, delivered, arriveEmpty, wait, arrive } = receiver();
  arriveEmpty(2, 0);
  wait(TIMEOUT);
  deepEqual(delivered, []);
  equal(buffer.depth, 0);
  equal(arrive(3, TIMEOUT), DELIVER_NOW);
});

Deno.test("take(Infinity) releases everything", () => {
  const { buffer, arrive } = receiver();
  arrive(3, 0);
  arrive(6, 0);
  ok(buffer.take(Infinity) >= 0);
  ok(buffer.take(Infinity) >= 0);
  equal(buffer.take(Infinity), EMPTY);
  equal(buffer.offer(100, 0), OVERFLOW);
  equal(buffer.take(Infinity), EMPTY);
});

Deno.test("the smallest and the largest buffer work", () => {
  const one = receiver(1);
  equal(one.arrive(1, 0), DELIVER_NOW);
  equal(one.arrive(3, 0), DELIVER_NOW);
  equal(one.arrive(2, 0), LATE);
  deepEqual(one.delivered, [1, 3]);

  const large = receiver(REORDER_CAPACITY_MAX);
  for (let sequence = REORDER_CAPACITY_MAX; sequence > 0; sequence--) large.arrive(sequence, 0);
  equal(large.delivered.length, REORDER_CAPACITY_MAX);
  ok(large.delivered.every((sequence, index) => sequence === index + 1));
  equal(large.buffer.counters.maxDepth, REORDER_CAPACITY_MAX - 1);
});

Deno.test("options out of range are refused", () => {
  const good = { capacity: 8, flushTimeoutMs: 1 };
  for (const capacity of [0, -1, 1.5, NaN, REORDER_CAPACITY_MAX + 1]) {
    throws(() => new ReorderBuffer({ ...good, capacity }), RangeError);
  }
  for (const flushTimeoutMs of [-1, NaN, Infinity]) {
    throws(() => new ReorderBuffer({ ...good, flushTimeoutMs }), RangeError);
  }
  for (const firstSequence of [0, -1, 0.5, 2 ** 32]) {
    throws(() => new ReorderBuffer({ ...good, firstSequence }), RangeError);
  }
});
