/**
 * Which paths a spread flow uses, and how long its packets wait on the fast ones: as long as the
 * slowest is later, so that packets arrive in order and the flow sees the delay of the slowest path.
 * Computed anew whenever delays have changed, and then looked up for each packet.
 */
import type { PathLane } from "./path_lane.ts";

/** A path that is later than the fastest by more takes no part. */
const LAG_MS_MAX = 150;

export class SpreadPlan {
  /** Bits of the paths that take part, as in the order extension. */
  paths = 0;
  /** In ms: no packet arrives sooner than this after the soonest possible. */
  holdMs = 0;

  update(lanes: readonly PathLane[]): void {
    this.paths = this.holdMs = 0;
    for (const { isOpen, lagMs, bit } of lanes) {
      if (!isOpen || lagMs > LAG_MS_MAX) continue;
      this.paths |= bit;
      this.holdMs = Math.max(this.holdMs, lagMs);
    }
  }
}
