import { equal } from "node:assert/strict";
import { idleSpread, soonestSpread } from "./lane_choice.ts";
import { PacketSlots } from "./packet_slots.ts";
import { PathLane } from "./path_lane.ts";
import { SpreadPlan } from "./spread_plan.ts";

const AHEAD_MS = 3;

/** Lanes of these rates in bytes a ms, of no delay; the first has 10 ms of work. */
function lanesOf(...rates: number[]) {
  const slots = new PacketSlots(64);
  const lanes = rates.map((rate, id) => {
    const lane = new PathLane(slots, { id, rate });
    // No longer at the pace of a start.
    lane.capacity.limit(rate);
    lane.delayMs = 0;
    return lane;
  });
  const slot = slots.take();
  slots.length[slot] = 10 * rates[0]!;
  lanes[0]!.pushBulk(slot, 0, 0);
  const plan = new SpreadPlan();
  plan.update(lanes);
  return { lanes, plan };
}

Deno.test("a slow lane without work is used where more waits than it would be late", () => {
  const { lanes, plan } = lanesOf(2500, 300);
  const fast = lanesOf(2500, 300).lanes[0]!;
  equal(soonestSpread([fast], 1500, plan, 0)?.id, 0);
  equal(idleSpread(lanes, 1500, plan, 6, AHEAD_MS, 0)?.id, 1);
  equal(idleSpread(lanes, 1500, plan, 4, AHEAD_MS, 0), null, "it would come after what waits");
});

Deno.test("a lane on which a packet takes too long is not used, whatever waits", () => {
  const { lanes, plan } = lanesOf(2500, 125);
  equal(idleSpread(lanes, 1500, plan, 1000, AHEAD_MS, 0), null);
});

Deno.test("neither is one that has enough to do, or is closed", () => {
  const { lanes, plan } = lanesOf(2500, 300);
  equal(idleSpread(lanes.slice(0, 1), 1500, plan, 1000, AHEAD_MS, 0), null);
  lanes[1]!.state = "down";
  equal(idleSpread(lanes, 1500, plan, 1000, AHEAD_MS, 0), null);
});
