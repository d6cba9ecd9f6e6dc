import { deepEqual, equal } from "node:assert/strict";
import { PacketSlots } from "./packet_slots.ts";
import { PathLane } from "./path_lane.ts";

function laneOf(rate: number): PathLane {
  return new PathLane(new PacketSlots(4), { id: 0, rate });
}

/** When the lane was trusted with more, looked at every 100 ms; its estimate goes down again then. */
function triesOf(lane: PathLane, until: number): number[] {
  const tries: number[] = [];
  for (let now = 0; now <= until; now += 100) {
    lane.noteDemand(now);
    if (lane.capacity.estimate < 250) continue;
    tries.push(now);
    lane.capacity.limit(100);
    lane.capacity.limit(Infinity);
  }
  return tries;
}

Deno.test("a lane that once carried too little to be used is tried again, less and less often", () => {
  deepEqual(triesOf(laneOf(150), 20_000), [2000, 6100, 14_200]);
});

Deno.test("one that is used, closed, or carries enough is left as it is", () => {
  const used = laneOf(150);
  for (let now = 0; now < 10_000; now += 100) {
    used.sentAt = now;
    used.noteDemand(now);
  }
  equal(used.capacity.estimate, 150);
  const closed = laneOf(150);
  closed.state = "down";
  deepEqual(triesOf(closed, 10_000), []);
  const enough = laneOf(300);
  for (let now = 0; now < 10_000; now += 100) enough.noteDemand(now);
  equal(enough.capacity.estimate, 300);
});

Deno.test("a rate that is prescribed is not exceeded by trying", () => {
  const lane = new PathLane(new PacketSlots(4), { id: 0, rate: 100, ceiling: 100 });
  for (let now = 0; now < 10_000; now += 100) lane.noteDemand(now);
  equal(lane.capacity.estimate, 100);
});
