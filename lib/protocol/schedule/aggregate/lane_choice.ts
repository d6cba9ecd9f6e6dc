/** On which path a packet arrives soonest. A decision of a moment: nothing is changed. */
import type { PathLane } from "./path_lane.ts";
import type { ReleasedQueue } from "./released_queue.ts";
import type { SpreadPlan } from "./spread_plan.ts";

/** Packets that arrive within so much arrive together. */
const TOGETHER_MS = 5;
/** A path that missed its turns makes up for no more. */
const TURNS_MS = 10;

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
    if (!lane.isOpen) continue;
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
 * possible, and a path that is later than that counts as if it were not. Infinity for a path that
 * takes no part.
 */
function spreadArrival(
  lane: PathLane,
  held: ReleasedQueue,
  bytes: number,
  { paths, holdMs }: SpreadPlan,
  now: number,
): number {
  if (!lane.isOpen || (lane.bit & paths) === 0) return Infinity;
  const comes = lane.startAt(held, now) + Math.min(lane.lagMs, holdMs);
  return Math.max(comes, now + holdMs) + bytes / lane.capacity.rate(now);
}

/** Hot. Where a packet of a flow that is spread in order arrives soonest; null when nowhere. */
export function soonestSpread(
  lanes: readonly PathLane[],
  bytes: number,
  plan: SpreadPlan,
  now: number,
): PathLane | null {
  let soonest: PathLane | null = null;
  let least = Infinity;
  for (const lane of lanes) {
    const arrival = spreadArrival(lane, lane.bulk, bytes, plan, now);
    if (arrival >= least) continue;
    least = arrival;
    soonest = lane;
  }
  return soonest;
}

/**
 * Hot. For a packet of a flow that is spread loosely. Paths on which it arrives at about the same time
 * take turns by what they carry: a sender that makes no queue would else stay on one of them, and
 * never find out what they carry together.
 */
export function looseSpread(
  lanes: readonly PathLane[],
  bytes: number,
  plan: SpreadPlan,
  now: number,
): PathLane | null {
  let next: PathLane | null = null;
  let least = Infinity;
  for (const lane of lanes) {
    const arrival = spreadArrival(lane, lane.loose, bytes, plan, now);
    if (arrival >= least) continue;
    least = arrival;
    next = lane;
  }
  if (next === null || next.lagMs > plan.holdMs + TOGETHER_MS) return next;
  for (const lane of lanes) {
    if (lane.lagMs > plan.holdMs + TOGETHER_MS || lane.turn >= next.turn) continue;
    if (spreadArrival(lane, lane.loose, bytes, plan, now) <= least + TOGETHER_MS) next = lane;
  }
  next.turn += bytes / next.capacity.estimate;
  for (const lane of lanes) lane.turn = Math.max(lane.turn, next.turn - TURNS_MS);
  return next;
}

/** Where no other lane takes packets, those that are kept in reserve do. */
export function openReserve(lanes: readonly PathLane[]): void {
  for (const lane of lanes) if (lane.isOpen) return;
  for (const lane of lanes) lane.isReserve = false;
}
