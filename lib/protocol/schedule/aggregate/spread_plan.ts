/**
 * Which paths a spread flow uses, and how long its packets wait on the fast ones: computed anew
 * whenever delays or rates have changed, and then looked up for each packet.
 *
 * - `ordered`: fast paths wait as long as the slowest is later, so packets arrive in order. The flow
 *   sees the delay of the slowest path.
 * - `loose`: for a sender that takes the least delay it ever saw for that of the path, and keeps no
 *   more than twice that in flight (BBR). Packets arrive out of order, which it bears; but their mean
 *   delay must stay below twice the least. Slow paths that make that impossible are left out.
 */
import type { PathLane } from "./path_lane.ts";

/** A path that is later than the fastest by more takes no part. */
const LAG_MS_MAX = 150;
/** Share of the least round trip that packets may be later on average. */
const LOOSE_SHARE = 0.85;
/** Less makes the slow paths idle whenever a sender pauses. */
const LOOSE_HOLD_MS_MIN = 3;

export class SpreadPlan {
  /** Bits of the paths that take part, as in the order extension. */
  paths = 0;
  /** In ms: no packet arrives sooner than this after the soonest possible. */
  holdMs = 0;
}

export class SpreadPlans {
  readonly ordered = new SpreadPlan();
  readonly loose = new SpreadPlan();
  readonly #byLag: PathLane[] = [];

  update(lanes: readonly PathLane[], now: number): void {
    this.#byLag.length = 0;
    let roundTripMs = Infinity;
    for (const lane of lanes) {
      if (!lane.isOpen || lane.lagMs > LAG_MS_MAX) continue;
      this.#byLag.push(lane);
      roundTripMs = Math.min(roundTripMs, lane.roundTripMs);
    }
    this.#byLag.sort((one, other) => one.lagMs - other.lagMs);
    const count = this.#byLag.length;
    this.#take(this.ordered, count, this.#byLag[count - 1]?.lagMs ?? 0);
    for (let use = count; use > 0; use--) {
      const hold = this.#looseHold(use, roundTripMs, now);
      const lag = this.#byLag[use - 1]!.lagMs;
      if (hold < Math.min(lag, LOOSE_HOLD_MS_MIN)) continue;
      return this.#take(this.loose, use, Math.min(hold, lag));
    }
    this.#take(this.loose, Math.min(count, 1), count > 1 ? LOOSE_HOLD_MS_MIN : 0);
  }

  #take(plan: SpreadPlan, use: number, holdMs: number): void {
    plan.paths = 0;
    for (let index = 0; index < use; index++) plan.paths |= this.#byLag[index]!.bit;
    plan.holdMs = holdMs;
  }

  /** How long the fastest paths may hold packets when the `use` fastest take part. */
  #looseHold(use: number, roundTripMs: number, now: number): number {
    let rate = 0;
    let late = 0;
    let soon = 0;
    for (let index = 0; index < use; index++) {
      const lane = this.#byLag[index]!;
      const each = lane.capacity.rate(now);
      rate += each;
      late += each * lane.lagMs;
      if (lane.lagMs < LOOSE_HOLD_MS_MIN) soon += each;
    }
    return (LOOSE_SHARE * roundTripMs * rate - late) / soon;
  }
}
