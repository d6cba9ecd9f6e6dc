/** On which path a packet arrives soonest. A decision of a moment: nothing is changed. */
import type { PathLane } from "./path_lane.ts";
import type { SpreadPlan } from "./spread_plan.ts";

/**
 * Hot. For a packet that passes bulk by. Null when no path is up.
 * @param but the path that is not asked for; -1: there is none.
 */
export function fastestPriority(
  lanes: readonly PathLane[],
  bytes: number,
  now: number,
  but = -1,
): PathLane | null {
  let fastest: PathLane | null = null;
  let least = Infinity;
  for (const lane of lanes) {
    if (!lane.isOpen || lane.id === but) continue;
    const arrival = lane.priorityStartAt(now) + bytes / lane.capacity.rate(now) + lane.lagMs;
    if (arrival < least) {
      least = arrival;
      fastest = lane;
    }
  }
  return fastest;
}

/**
 * Hot. Where a packet of a flow that is spread arrives soonest; null when nowhere. None arrives sooner
 * than `holdMs` after the soonest possible, and a path that is later than that counts as if it were
 * not.
 */
export function soonestSpread(
  lanes: readonly PathLane[],
  bytes: number,
  { paths, holdMs }: SpreadPlan,
  now: number,
): PathLane | null {
  let soonest: PathLane | null = null;
  let least = Infinity;
  for (const lane of lanes) {
    if (!lane.isOpen || (lane.bit & paths) === 0) continue;
    const comes = lane.bulkStartAt(now) + Math.min(lane.lagMs, holdMs);
    const arrival = Math.max(comes, now + holdMs) + bytes / lane.capacity.rate(now);
    if (arrival >= least) continue;
    least = arrival;
    soonest = lane;
  }
  return soonest;
}

/** What waits behind a packet, waits for it no longer: so long 1500 bytes take at 1.5 Mbit/s. */
const LATER_MS_MAX = 8;

/**
 * Hot. For a packet whose soonest lane, has enough to do: one that has
 * not, and where it arrives no later than what waits behind it. A path of few Mbit/s is never the
 * soonest beside a fast one, and what it carries would never be learned again. Null when there is none.
 * @param backlogMs how long all paths take for what waits.
 * @param aheadMs what a lane is given to do ahead.
 */
export function idleSpread(
  lanes: readonly PathLane[],
  bytes: number,
  { paths, holdMs }: SpreadPlan,
  backlogMs: number,
  aheadMs: number,
  now: number,
): PathLane | null {
  let idle: PathLane | null = null;
  let least = now + holdMs + Math.min(backlogMs, LATER_MS_MAX);
  for (const lane of lanes) {
    if (!lane.isOpen || (lane.bit & paths) === 0) continue;
    const startAt = lane.bulkStartAt(now);
    const lagMs = Math.min(lane.lagMs, holdMs);
    if (startAt > now + holdMs - lagMs + aheadMs) continue;
    const arrival = Math.max(startAt + lagMs, now + holdMs) + bytes / lane.capacity.rate(now);
    if (arrival >= least) continue;
    least = arrival;
    idle = lane;
  }
  return idle;
}

/** Where no other lane takes packets, those that are kept in reserve do. */
export function openReserve(lanes: readonly PathLane[]): void {
  for (const lane of lanes) if (lane.isOpen) return;
  for (const lane of lanes) lane.isReserve = false;
}

/**
 * What all lanes that take packets carry, in bytes a millisecond. One that sends less for a moment, so
 * that its queue runs empty, carries no less.
 */
export function openRate(lanes: readonly PathLane[], now: number): number {
  let rate = 0;
  for (const { isOpen, capacity } of lanes) {
    if (isOpen) rate += Math.max(capacity.estimate, capacity.rate(now));
  }
  return rate;
}

/** Hot. Whether nothing waits to leave on any lane. */
export function isIdle(lanes: readonly PathLane[]): boolean {
  for (const lane of lanes) if (lane.waitingPackets > 0) return false;
  return true;
}
