import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import {
  ORDER_FLAG_PRIORITY,
  ORDER_FLAG_RECOVERABLE,
  ORDER_FLAG_REPEATED,
} from "../wire/order_extension.ts";
import { StreamOrder } from "./stream_order.ts";

const BOTH = 0b11;

function make() {
  const delivered: number[] = [];
  const order = new StreamOrder({ deliver: (slot) => delivered.push(slot) });
  order.waitMs = 40;
  order.recoveryMs = 30;
  /** A packet of stream 1 whose slot is its sequence number. */
  const push = (sequence: number, path: number, now: number, flags = 0, paths = BOTH) =>
    order.push(1, sequence, 100 + sequence, paths, flags, path, sequence, now);
  return { order, delivered, push };
}

Deno.test("packets of two paths are delivered in order", () => {
  const { order, delivered, push } = make();
  equal(push(0, 0, 0), "delivered");
  equal(push(2, 0, 1), "held");
  equal(push(3, 0, 2), "held");
  equal(order.heldPackets, 2);
  equal(push(1, 1, 20), "delivered");
  deepEqual(delivered, [0, 1, 2, 3]);
  equal(order.nextTimeout(), Infinity);
});

Deno.test("a stream keeps as many as come before the one it waits for, up to 2047", () => {
  const { order, delivered, push } = make();
  push(0, 0, 0);
  for (let sequence = 2; sequence <= 2047; sequence++) equal(push(sequence, 0, 1), "held");
  equal(order.heldPackets, 2046);
  equal(push(300, 0, 2), "duplicate");
  equal(push(1, 1, 2), "delivered");
  deepEqual(delivered, Array.from({ length: 2048 }, (_, sequence) => sequence));
  equal(push(5, 1, 3), "duplicate");
});

Deno.test("a gap is skipped at once when every path has delivered something later", () => {
  const { delivered, push } = make();
  push(0, 0, 0);
  push(2, 0, 1);
  deepEqual(delivered, [0]);
  push(3, 1, 2);
  deepEqual(delivered, [0, 2, 3]);
});

Deno.test("a gap that will be sent again is waited for, as long as that takes", () => {
  const { order, delivered, push } = make();
  push(0, 0, 0, ORDER_FLAG_RECOVERABLE);
  push(2, 0, 1, ORDER_FLAG_RECOVERABLE);
  push(3, 1, 2, ORDER_FLAG_RECOVERABLE);
  order.handleTimeout(31);
  deepEqual(delivered, [0]);
  push(1, 0, 31.5, ORDER_FLAG_RECOVERABLE | ORDER_FLAG_REPEATED);
  deepEqual(delivered, [0, 1, 2, 3]);
  push(5, 0, 40, ORDER_FLAG_RECOVERABLE);
  push(6, 1, 41, ORDER_FLAG_RECOVERABLE);
  order.handleTimeout(72);
  deepEqual(delivered.slice(4), [5, 6]);
  equal(order.skipped, 1);
});

Deno.test("without proof a gap is skipped when the path behind has been silent", () => {
  const { order, delivered, push } = make();
  push(0, 1, 0);
  push(2, 0, 10);
  order.handleTimeout(49);
  deepEqual(delivered, [0]);
  order.handleTimeout(50);
  deepEqual(delivered, [0, 2]);
});

Deno.test("a packet that passed others by proves nothing of its path", () => {
  const { delivered, push } = make();
  push(0, 0, 0);
  push(3, 0, 1, ORDER_FLAG_PRIORITY);
  push(2, 1, 2);
  deepEqual(delivered, [0]);
});

Deno.test("a late packet is delivered, one that came before is not", () => {
  const { delivered, push } = make();
  push(0, 0, 0);
  push(2, 0, 1);
  push(3, 1, 2);
  equal(push(1, 1, 3), "late");
  equal(push(1, 1, 3), "duplicate");
  equal(push(3, 1, 3), "duplicate");
  deepEqual(delivered, [0, 2, 3, 1]);
});

Deno.test("sequence numbers wrap, and a stream that is not known is refused", () => {
  const { order, delivered } = make();
  for (const [slot, sequence] of [0xfffffffe, 0xffffffff, 1, 0].entries()) {
    order.push(0, sequence, sequence, BOTH, 0, 0, slot, 0);
  }
  deepEqual(delivered, [0, 1, 3, 2]);
  equal(order.push(64, 0, 0, 0, 0, 0, 0, 0), "unknown stream");
});

Deno.test("property: each packet is delivered once or refused, in order but for late ones", () => {
  const arrivals = fc.array(
    fc.tuple(fc.nat(120), fc.nat(2), fc.nat(7), fc.nat(30), fc.nat(7)),
    { maxLength: 150 },
  );
  fc.assert(fc.property(arrivals, (each) => {
    const delivered: number[] = [];
    const order = new StreamOrder({ deliver: (slot) => delivered.push(slot) });
    const taken = new Map<number, string>();
    let now = 0;
    each.forEach(([sequence, path, paths, wait, flags], slot) => {
      now += wait;
      taken.set(slot, order.push(3, sequence, sequence, paths, flags, path, slot, now));
    });
    order.handleTimeout(now + 1000);
    const refused = [...taken].filter(([, result]) => result === "duplicate").length;
    equal(delivered.length, each.length - refused);
    equal(new Set(delivered).size, delivered.length);
    equal(order.heldPackets, 0);
    const late = new Set([...taken].filter(([, result]) => result === "late").map(([s]) => s));
    const inOrder = delivered.filter((slot) => !late.has(slot)).map((slot) => each[slot]![0]);
    deepEqual(inOrder, inOrder.toSorted((a, b) => a - b));
  }));
});
