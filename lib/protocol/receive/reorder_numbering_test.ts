/** The reorder buffer where the numbering wraps, or begins again. */

import { deepEqual, equal } from "node:assert/strict";
import { DELIVER_NOW, LATE } from "./reorder_buffer.ts";
import { Receiver } from "./test_receiver.ts";

const TIMEOUT = 50;

function receiver(capacity: number, firstSequence: number): Receiver {
  return new Receiver({ capacity, flushTimeoutMs: TIMEOUT, firstSequence });
}

Deno.test("the numbering wraps, with 0 spent or passed over by the sender", () => {
  const { delivered, arrive } = receiver(8, 0xfffffffe);
  arrive(0xfffffffe, 0);
  arrive(0xffffffff, 0);
  equal(arrive(1, 0), DELIVER_NOW);
  equal(arrive(2, 0), DELIVER_NOW);
  deepEqual(delivered, [0xfffffffe, 0xffffffff, 1, 2]);
});

Deno.test("packets wait for each other across the wrap", () => {
  const { delivered, buffer, arrive } = receiver(8, 0xfffffffe);
  arrive(2, 0);
  arrive(1, 0);
  arrive(0xffffffff, 0);
  deepEqual(delivered, []);
  arrive(0xfffffffe, 0);
  deepEqual(delivered, [0xfffffffe, 0xffffffff, 1, 2]);
  equal(buffer.depth, 0);
  equal(arrive(0xffffffff, 0), LATE);
});

Deno.test("a gap across the wrap is given up like any other", () => {
  const { delivered, arrive, wait } = receiver(8, 0xfffffffe);
  arrive(2, 0);
  wait(TIMEOUT);
  arrive(3, TIMEOUT);
  deepEqual(delivered, [2, 3]);
});

Deno.test("a packet without a sequence is delivered and changes nothing", () => {
  const { buffer, arrive } = receiver(8, 0xffffffff);
  equal(buffer.offer(0, 0), DELIVER_NOW);
  equal(arrive(0xffffffff, 0), DELIVER_NOW);
  equal(buffer.offer(0, 0), DELIVER_NOW);
  equal(arrive(1, 0), DELIVER_NOW);
});

Deno.test("old packets never turn the numbering back, however long nothing else comes", () => {
  const { arrive, delivered } = receiver(8, 5000);
  arrive(5000, 0);
  for (let sequence = 1; sequence < 50; sequence++) equal(arrive(sequence, sequence * 1000), LATE);
  equal(arrive(5001, 60_000), DELIVER_NOW);
  deepEqual(delivered, [5000, 5001]);
});

Deno.test("old packets between new ones do not turn the numbering back", () => {
  const { arrive } = receiver(8, 5000);
  for (let round = 0; round < 50; round++) {
    equal(arrive(1 + round, round * 1000), LATE);
    equal(arrive(2 + round, round * 1000), LATE);
    equal(arrive(5000 + round, round * 1000), DELIVER_NOW);
  }
});
