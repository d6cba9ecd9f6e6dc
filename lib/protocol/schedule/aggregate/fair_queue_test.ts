import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { FairQueue } from "./fair_queue.ts";
import { NO_SLOT, PacketSlots, SLOT_TCP_REPEATED } from "./packet_slots.ts";

function make() {
  const slots = new PacketSlots(256);
  const queue = new FairQueue(slots);
  const push = (flow: number, bytes: number): number => {
    const slot = slots.take();
    slots.flow[slot] = flow;
    slots.length[slot] = bytes;
    queue.push(slot, 0);
    return slot;
  };
  return { slots, queue, push };
}

Deno.test("a sparse flow goes before bulk, and bulk flows share by bytes", () => {
  const { slots, queue, push } = make();
  for (let each = 0; each < 40; each++) {
    push(1, 1500);
    push(2, 500);
  }
  for (let each = 0; each < 8; each++) queue.take();
  const sparse = push(3, 100);
  equal(queue.take(), sparse);
  const bytes = [0, 0, 0];
  for (let each = 0; each < 40; each++) {
    const slot = queue.take();
    bytes[slots.flow[slot]!]! += slots.length[slot]!;
  }
  ok(Math.abs(bytes[1]! - bytes[2]!) <= 3200, `${bytes}`);
});

Deno.test("where paths carry much, a flow sends several packets in a turn", () => {
  const { slots, queue, push } = make();
  queue.turnBytes = 6000;
  for (let each = 0; each < 8; each++) {
    push(1, 1500);
    push(2, 1500);
  }
  const turns = Array.from({ length: 16 }, () => slots.flow[queue.take()]);
  deepEqual(turns, [1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 1, 1, 2, 2, 2, 2]);
});

Deno.test("flows count while they have something waiting", () => {
  const { queue, push } = make();
  push(1, 1000);
  push(1, 1000);
  push(2, 500);
  equal(queue.flows, 2);
  for (let each = 0; each < 3; each++) queue.take();
  equal(queue.take(), NO_SLOT);
  equal(queue.flows, 0);
});

Deno.test("what is too much is taken from the head of the fattest flow", () => {
  const { queue, push } = make();
  push(1, 1000);
  const head = push(2, 900);
  push(2, 900);
  equal(queue.dropFattest(), head);
  deepEqual([queue.bytes, queue.packets, queue.bytesOf(2)], [1900, 2, 900]);
  equal(make().queue.dropFattest(), NO_SLOT);
});

Deno.test("property: every packet comes out once, those of a flow in their order", () => {
  const steps = fc.array(
    fc.oneof(fc.tuple(fc.nat(4), fc.integer({ min: 40, max: 1500 })), fc.constant("take" as const)),
    { maxLength: 200 },
  );
  fc.assert(fc.property(steps, (each) => {
    const { slots, queue, push } = make();
    const expected: number[][] = [[], [], [], [], []];
    const check = (slot: number) => equal(slot, expected[slots.flow[slot]!]!.shift());
    for (const step of each) {
      if (step !== "take") expected[step[0]]!.push(push(step[0], step[1]));
      else if (queue.packets > 0) check(queue.take());
      else equal(queue.take(), NO_SLOT);
    }
    while (queue.packets > 0) check(queue.take());
    deepEqual([queue.bytes, expected.flat()], [0, []]);
  }));
});

Deno.test("the payload of TCP that waits is known, without what is repeated", () => {
  const { slots, queue } = make();
  const push = (flags: number): number => {
    const slot = slots.take();
    slots.flow[slot] = 7;
    slots.length[slot] = 1500;
    slots.payload[slot] = 1400;
    slots.flags[slot] = flags;
    queue.push(slot, 0);
    return slot;
  };
  push(0);
  push(SLOT_TCP_REPEATED);
  push(0);
  equal(queue.payloadOf(7), 2800);
  queue.take();
  equal(queue.payloadOf(7), 1400);
  queue.take();
  equal(queue.payloadOf(7), 1400);
  queue.dropFattest();
  equal(queue.payloadOf(7), 0);
});

Deno.test("what a sender repeats, or believes it did, is dropped last", () => {
  const { slots, queue, push } = make();
  const first = push(1, 1500);
  queue.spare(1, 0);
  equal(queue.dropFattest(true), NO_SLOT);
  equal(queue.dropFattest(), first);
  const second = push(1, 1500);
  slots.flags[second] = SLOT_TCP_REPEATED;
  queue.spare(1, -1);
  equal(queue.dropFattest(true), NO_SLOT);
  equal(queue.dropFattest(), second);
});
