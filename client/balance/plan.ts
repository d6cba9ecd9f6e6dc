/** What the kernel shall hold for one family, decided from a snapshot of its uplinks. */
import type { NextHop } from "../../lib/host/routes/gateway/routing_table.ts";
import type { WeightedHop } from "../../lib/host/routes/multipath_route.ts";
import { PATH_USES, type PathUse } from "../../lib/protocol/wire/path_rule.ts";
import { weighHops } from "./nexthops.ts";

export interface UplinkSnapshot {
  name: string;
  slot: number;
  /** Null: the link is down, or has no address or gateway. */
  nextHop: NextHop | null;
  isHealthy: boolean;
  use: PathUse;
}

interface Plan {
  /** The default route of each uplink's own table, by slot: also of those that do not answer. */
  own: Map<number, NextHop>;
  /** The hops of the shared default route; "keep": none leads on, what there is stays. */
  shared: WeightedHop[] | "keep";
  /** None is healthy: the hops are those of `last`, wherever these lead meanwhile. */
  isLast: boolean;
}

interface Preference {
  /** The one uplink to use; null spreads over all. */
  best: string | null;
  /** Who has carried the connections last. */
  last: ReadonlySet<string>;
}

export function planFamily(
  uplinks: readonly UplinkSnapshot[],
  weights: ReadonlyMap<string, number>,
  { best, last }: Preference,
): Plan {
  const usable = uplinks.flatMap(({ nextHop, slot, ...rest }) =>
    nextHop === null ? [] : [{ ...rest, nextHop, slot }]
  );
  const healthy = firstInUse(usable.filter(({ isHealthy }) => isHealthy))
    .filter(({ name }) => best === null || best === name);
  const isLast = healthy.length === 0;
  const chosen = isLast ? usable.filter(({ name }) => last.has(name)) : healthy;
  return {
    own: new Map(usable.map(({ slot, nextHop }) => [slot, nextHop])),
    shared: chosen.length === 0 ? "keep" : weighHops(chosen.map(({ nextHop }) => nextHop), weights),
    isLast,
  };
}

/** Backups carry while no other works, and those whose volume is used up while nothing else does. */
export function firstInUse<T extends { readonly use: PathUse }>(working: readonly T[]): T[] {
  const first = PATH_USES.find((use) => working.some((one) => one.use === use));
  return working.filter(({ use }) => use === first);
}
