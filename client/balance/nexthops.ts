/** How much of the connections each uplink gets, as the weights of a multipath route. */
import type { WeightedHop } from "../../lib/host/routes/multipath_route.ts";
import type { NextHop } from "../../lib/host/routes/gateway/routing_table.ts";

/** Weights made of quality: steps coarse enough that noise seldom moves them. */
const STEPS = 10;
/** A weight follows the quality when it is off by this much. */
const STEP_MIN = 2;
/** Probes that say something about quality. */
const PROBES_MIN = 5;

interface Quality {
  name: string;
  /** 0 to 100. */
  score: number;
  probes: number;
}

/**
 * Weights from 1 to STEPS by the uplinks' scores. Those in `present` stay as long as each fits
 * well enough, because every change of a route moves connections that are about to begin.
 */
export function weightsByQuality(
  present: ReadonlyMap<string, number>,
  uplinks: readonly Quality[],
): Map<string, number> {
  const wanted = new Map(uplinks.map(({ name, score, probes }) => {
    const weight = probes < PROBES_MIN ? present.get(name) ?? STEPS : Math.round(score / STEPS);
    return [name, Math.max(1, weight)];
  }));
  const isNear = [...wanted].every(([name, weight]) =>
    present.has(name) && Math.abs(present.get(name)! - weight) < STEP_MIN
  );
  return isNear ? new Map(present) : wanted;
}

/** The next hops of the route, in the order given; weights without a common divisor. */
export function weighHops(
  hops: readonly NextHop[],
  weights: ReadonlyMap<string, number>,
): WeightedHop[] {
  const weighted = hops.map((nextHop) => ({
    nextHop,
    weight: weights.get(nextHop.device) ?? 1,
  }));
  const divisor = weighted.reduce((common, { weight }) => greatestDivisor(common, weight), 0);
  return weighted.map(({ nextHop, weight }) => ({ nextHop, weight: weight / divisor }));
}

function greatestDivisor(one: number, other: number): number {
  return other === 0 ? one : greatestDivisor(other, one % other);
}
