/**
 * Which grown flow is worth moving, from a snapshot of the paths. Flows of a full path move to one
 * where each would get clearly more. A far path, which flows avoid else, takes them while near ones
 * are full, and gives them back when there is room again. One flow at a time: what a move does to
 * both paths has to be seen before the next. Pure.
 */

/** What is known of a path that grown flows may use. Rates are bytes a second. */
export interface LoadedPath {
  readonly id: number;
  /** Whether flows go there only when there is no room elsewhere. */
  readonly isFar: boolean;
  /** Whether its queue was filled of late: its flows would send more. */
  readonly isFull: boolean;
  /** Grown flows under way on it. */
  readonly flows: number;
  /** What arrives of what is sent on it. */
  readonly rate: number;
  /** What arrived when it was full last; null when it never was. */
  readonly fullRate: number | null;
}

export interface FlowMove {
  /** Ids of paths. */
  readonly from: number;
  readonly to: number;
}

/** A flow moves for so much more, and not for less. */
const GAIN_MIN = 1.3;
/** A flow that has a near path for itself leaves it for a far one only for this much more. */
const LONE_GAIN_MIN = 3;
/** A path that was never full is thought to carry this, or as much as the best known one. */
const UNKNOWN_RATE = 1_250_000;

/** The move that gains most, or null: all flows are where they should be. */
export function bestMove(paths: readonly LoadedPath[]): FlowMove | null {
  const known = paths.map(({ fullRate }) => fullRate ?? 0);
  const unknownRate = Math.max(UNKNOWN_RATE, ...known);
  let best: FlowMove | null = null;
  let most = 0;
  for (const from of paths) {
    if (from.flows === 0) continue;
    for (const to of paths) {
      if (from === to) continue;
      const gain = gainOf(from, to, unknownRate);
      if (gain < gainNeeded(from, to) || gain <= most) continue;
      most = gain;
      best = { from: from.id, to: to.id };
    }
  }
  return best;
}

/** What a flow of `from` would get on `to`, as a multiple of what it gets. */
function gainOf(from: LoadedPath, to: LoadedPath, unknownRate: number): number {
  const isHomeward = from.isFar && !to.isFar;
  // What does not fill its path gets what it wants; a burst that meets a queue does not fill it.
  const isFull = from.isFull && from.fullRate !== null;
  if (!isFull && !(isHomeward && !to.isFull)) return 0;
  const capacity = to.fullRate ?? unknownRate;
  const fairShare = capacity / (to.flows + 1);
  const expected = to.isFull ? fairShare : Math.max(fairShare, capacity - to.rate);
  const present = (isFull ? Math.max(from.rate, from.fullRate!) : from.rate) / from.flows;
  return present > 0 ? expected / present : Infinity;
}

function gainNeeded(from: LoadedPath, to: LoadedPath): number {
  if (from.isFar && !to.isFar) return 1;
  return to.isFar && !from.isFar && from.flows === 1 ? LONE_GAIN_MIN : GAIN_MIN;
}
