import { equal } from "node:assert/strict";
import { Bursts } from "./bursts.ts";
import { NO_SLOT, PacketSlots } from "./packet_slots.ts";

function newBursts(): { bursts: Bursts; slots: PacketSlots } {
  const slots = new PacketSlots(8);
  return { bursts: new Bursts(slots), slots };
}

Deno.test("one packet of a flow is withheld in five round trips, for what its window misses and 30 ms", () => {
  const { bursts, slots } = newBursts();
  const slot = slots.take();
  equal(bursts.withhold(slot, 15, 53, 1000), true);
  equal(bursts.withhold(slots.take(), 15, 53, 1000 + 5 * 68 - 1), false);
  const due = 1000 + 53 + (53 - 15 + 30);
  equal(bursts.releaseAt, due);
  equal(bursts.take(due - 1), NO_SLOT);
  equal(bursts.take(due), slot);
  equal(bursts.releaseAt, Infinity);
  equal(bursts.withhold(slots.take(), 15, 53, 1000 + 5 * 68), true);
});

Deno.test("each flow has its own turn", () => {
  const { bursts, slots } = newBursts();
  equal(bursts.withhold(slots.take(), 15, 53, 1000), true);
  const other = slots.take();
  slots.flow[other] = 1;
  equal(bursts.withhold(other, 15, 53, 1001), true);
});

Deno.test("nothing is withheld where twice the least delay is enough, and nothing for longer than BBR counts", () => {
  const { bursts, slots } = newBursts();
  equal(bursts.withhold(slots.take(), 40, 15, 1000), false);
  equal(bursts.withhold(slots.take(), 10, 150, 1000), true);
  equal(bursts.releaseAt, 1000 + 150 + 100);
  equal(bursts.withhold(slots.take(), 0.2, 0.1, 1000), false);
});
