import { deepEqual, equal, throws } from "node:assert/strict";
import { NO_SLOT, PacketSlots, SlotQueue } from "./packet_slots.ts";

Deno.test("slots are given out once, and again when they are free", () => {
  const slots = new PacketSlots(3);
  const taken = [slots.take(), slots.take(), slots.take()];
  deepEqual(taken.toSorted(), [0, 1, 2]);
  equal(slots.take(), NO_SLOT);
  equal(slots.freeCount, 0);
  slots.release(1);
  throws(() => slots.release(1), RangeError);
  equal(slots.take(), 1);
});

Deno.test("a queue of slots keeps its order and counts", () => {
  const slots = new PacketSlots(3);
  const queue = new SlotQueue(slots);
  equal(queue.shift(), NO_SLOT);
  for (const bytes of [10, 20, 30]) {
    const slot = slots.take();
    slots.length[slot] = bytes;
    queue.push(slot);
  }
  deepEqual([queue.bytes, queue.packets, queue.head], [60, 3, 0]);
  deepEqual([queue.shift(), queue.shift(), queue.shift(), queue.shift()], [0, 1, 2, NO_SLOT]);
  deepEqual([queue.bytes, queue.packets, queue.head], [0, 0, NO_SLOT]);
});

Deno.test("where the caller numbers slots, there is room up to the capacity, and what is known stays", () => {
  const slots = new PacketSlots(1000, "numbered by the caller");
  for (let slot = 0; slot < 1000; slot++) {
    slots.adopt(slot);
    slots.length[slot] = slot;
    slots.releaseAt[slot] = slot / 2;
  }
  equal(slots.freeCount, 0);
  deepEqual([slots.length[3], slots.releaseAt[3], slots.length[999]], [3, 1.5, 999]);
  throws(() => slots.adopt(3), RangeError);
  throws(() => slots.adopt(1000), RangeError);
  slots.release(999);
  equal(slots.takeReleased(), 999);
  slots.adopt(999);
});
