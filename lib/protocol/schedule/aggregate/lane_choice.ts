/** On which path a packet arrives soonest. A decision of a moment: nothing is changed. */
import type { PathLane } from "./path_lane.ts";
import type { ReleasedQueue } from "./released_queue.ts";
import type { SpreadPlan } from "./spread_plan.ts";

/** Hot. Where packets of a flow that is spread so wait. */
export function heldQueue(lane: PathLane, mode: "ordered" | "loose"): ReleasedQueue {
  return mode === "ordered" ? lane.bulk : lane.loose;
}

/** Hot. For a packet that passes bulk by. Null when no path is up. */
export function fastestPriority(
  lanes: readonly PathLane[],
  bytes: number,
  now: number,
): PathLane | null {
  let fastest: PathLane | null = null;
  let least = Infinity;
  for (const lane of lanes) {
    if (lane.state !== "up") continue;
    const arrival = lane.priorityStartAt(now) + bytes / lane.capacity.rate(now) + lane.lagMs;
    if (arrival < least) {
      least = arrival;
      fastest = lane;
    }
  }
  return fastest;
}

/**
 * Hot. For a packet of a flow that is spread: none arrives sooner than `holdMs` after the soonest
 * possible, and a path that is later than that counts as if it were not.
 */
export function soonestSpread(
  lanes: readonly PathLane[],
  bytes: number,
  mode: "ordered" | "loose",
  { paths, holdMs }: SpreadPlan,
  now: number,
): PathLane | null {
  let soonest: PathLane | null = null;
  let least = Infinity;
  for (const lane of lanes) {
    if (lane.state !== "up" || (lane.bit & paths) === 0) continue;
    const startAt = lane.startAt(heldQueue(lane, mode), now);
    const begins = Math.max(startAt + Math.min(lane.lagMs, holdMs), now + holdMs);
    const arrival = begins + bytes / lane.capacity.rate(now);
    if (arrival < least) {
      least = arrival;
      soonest = lane;
    }
  }
  return soonest;
}
