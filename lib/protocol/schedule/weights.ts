/**
 * How new flows, or packets, are shared out among the paths. Pure functions of a snapshot.
 */
import type { Reason } from "../path/eligibility.ts";

/** Of the whole weight, what each good path gets at least. */
const WEIGHT_FLOOR = 0.15;
/** Once rates are known, a path gets at least this, so that it is not forgotten. */
const RATE_FLOOR = 0.02;
/** Added to every RTT, so that a very near path does not take everything. */
const RTT_OFFSET_MS = 10;
/** Paths whose round trips differ by less, as a factor or in ms, are about as near. */
const ALIKE_FACTOR = 1.25;
const ALIKE_MS = 5;
/** Taken for the score of a path that has not been measured. */
const SCORE_UNKNOWN = 50;

/** No reason to leave all other paths unused. */
const MILD: readonly (Reason | null)[] = ["jitter", "recovering"];

export interface WeighedPath {
  /** Whether packets may use the path at all. */
  readonly isUsable: boolean;
  /** Why it is avoided; null: it is good. */
  readonly reason: Reason | null;
  readonly rttMs: number | null;
  /** 0 to 100, or null. */
  readonly score: number | null;
  /** Bytes per second, or null. */
  readonly deliveryRate: number | null;
}

/**
 * The weight of each path, 0 for those that are to carry nothing; the others add up to about 1. The
 * good paths share, or all when the same mild reason speaks against each; else the nearest carries
 * everything.
 */
export function shareOut(paths: readonly WeighedPath[]): number[] {
  const common = commonReason(paths);
  const takesPart = ({ isUsable, reason }: WeighedPath) => isUsable && reason === common;
  const good = paths.filter(takesPart);
  if (good.length === 0) return onlyBest(paths, nearest(paths));
  const areRatesKnown = good.every(({ deliveryRate }) => deliveryRate !== null && deliveryRate > 0);
  const measure = areRatesKnown ? (path: WeighedPath) => path.deliveryRate! : merit;
  const floor = areRatesKnown ? RATE_FLOOR : WEIGHT_FLOOR;
  const total = good.reduce((sum, path) => sum + measure(path), 0);
  const shared = Math.max(0, 1 - floor * good.length);
  return paths.map((path) => takesPart(path) ? floor + shared * measure(path) / total : 0);
}

/** What speaks against each path in use, where that is mild; else null. */
function commonReason(paths: readonly WeighedPath[]): Reason | null {
  const [first, ...others] = paths.filter(({ isUsable }) => isUsable);
  if (first === undefined || !MILD.includes(first.reason)) return null;
  return others.every(({ reason }) => reason === first.reason) ? first.reason : null;
}

/**
 * All for one path, the nearest good one, or the nearest when none is good. `present` is the index
 * of the one that has it, or -1: it keeps it while it is as good and about as near, so that two alike
 * do not take turns.
 */
export function failOver(paths: readonly WeighedPath[], present: number): number[] {
  const best = nearest(paths);
  const held = paths[present];
  const isKept = held?.isUsable === true && best >= 0 && isGood(held) === isGood(paths[best]!) &&
    !isMuchNearer(paths[best]!, held);
  return onlyBest(paths, isKept ? present : best);
}

function isMuchNearer(path: WeighedPath, other: WeighedPath): boolean {
  if (path.rttMs === null || other.rttMs === null) return false;
  return other.rttMs > ALIKE_FACTOR * path.rttMs && other.rttMs > path.rttMs + ALIKE_MS;
}

function merit({ score, rttMs }: WeighedPath): number {
  return ((score ?? SCORE_UNKNOWN) + 1) / ((rttMs ?? 0) + RTT_OFFSET_MS);
}

/** Of the good paths, or else the usable ones, the index of that with the least round trip; or -1. */
function nearest(paths: readonly WeighedPath[]): number {
  let best = -1;
  for (const [index, path] of paths.entries()) {
    if (path.isUsable && (best < 0 || isNearer(path, paths[best]!))) best = index;
  }
  return best;
}

function isNearer(path: WeighedPath, other: WeighedPath): boolean {
  if (isGood(path) !== isGood(other)) return isGood(path);
  return (path.rttMs ?? Infinity) < (other.rttMs ?? Infinity);
}

function isGood({ reason }: WeighedPath): boolean {
  return reason === null;
}

function onlyBest(paths: readonly WeighedPath[], best: number): number[] {
  return paths.map((_, index) => index === best ? 1 : 0);
}
