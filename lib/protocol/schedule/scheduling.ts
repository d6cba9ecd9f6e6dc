/**
 * Which paths of a session carry what. Judges the paths by their quality, shares new flows or
 * packets out among the good ones, and tells for each packet where it goes.
 */
import type { PathTable } from "../session/path_table.ts";
import type { SessionPath } from "../session/session_path.ts";
import { FlowChoice } from "./flow_choice.ts";
import type { SchedulerName } from "./scheduler.ts";
import { faultOf, type Limits, limitsFor, type PathMeasure, type Reason } from "./standing.ts";
import { WeightedChoice } from "./weighted_choice.ts";
import { failOver, shareOut } from "./weights.ts";

/** Bytes a second of a session: below, no path has a load worth counting. */
const BUSY_RATE = 50_000;
/** Whose round trip is a measure for others: of the least rank there is. */
const RANK: Readonly<Record<Reason | "good", number>> = {
  good: 0,
  rtt: 1,
  recovering: 1,
  jitter: 2,
  loss: 2,
  mtu: 2,
};

export class Scheduling {
  /** Chooses the path of a new flow. */
  readonly flowChoice = new FlowChoice();
  /** Chooses the path of a packet that goes without regard to its flow. */
  readonly packetChoice = new WeightedChoice();
  /** The paths that work, good or not. */
  live: readonly SessionPath[] = [];
  scheduler: SchedulerName;
  readonly #paths: PathTable;
  readonly #limits: Limits;

  /** @param flushTimeoutMs how long the receiver waits for a packet that is out of order. */
  constructor(paths: PathTable, scheduler: SchedulerName, flushTimeoutMs: number) {
    this.#paths = paths;
    this.scheduler = scheduler;
    this.#limits = limitsFor(flushTimeoutMs);
  }

  /** Judges all paths as they are at `now`. */
  judge(now: number): void {
    const paths = [...this.#paths];
    const measures = paths.map((path) => measure(path, now));
    const bestRttMs = bestRttOf(paths, measures);
    for (const [index, path] of paths.entries()) {
      const { sentBytes, receivedBytes } = path.counters;
      path.quality.noteCarried(sentBytes, receivedBytes, now);
      const fault = faultOf(measures[index]!, bestRttMs, this.#limits);
      // A long way is a long way from the start, unless it is our own load that makes it long.
      const isCertain = fault === "mtu" || fault === "rtt" && !path.quality.isLoaded;
      path.standing.judge(fault, now, isCertain);
    }
    this.#shareOut(paths, measures, now);
  }

  #shareOut(paths: readonly SessionPath[], measures: readonly PathMeasure[], now: number): void {
    const weighed = paths.map((path, index) => ({
      isUsable: path.isUsable,
      isGood: path.standing.reason === null,
      rttMs: measures[index]!.rttMs,
      score: path.quality.score(now),
      deliveryRate: path.quality.deliveryRate,
    }));
    const weights = this.scheduler === "failover"
      ? failOver(weighed, paths.findIndex(({ carriesFlows }) => carriesFlows))
      : shareOut(weighed);
    const load = paths.reduce((sum, { quality }) => sum + quality.sentRate, 0);
    for (const [index, path] of paths.entries()) {
      const weight = weights[index]!;
      const busy = load < BUSY_RATE ? 0 : paths.length * path.quality.sentRate / load;
      this.flowChoice.set(path.id, weight, busy);
      this.packetChoice.setWeight(path.id, weight);
      path.carriesFlows = weight > 0;
    }
    this.live = paths.filter(({ isUsable }) => isUsable);
  }

  /** The path has been removed. */
  forget(path: SessionPath, now: number): void {
    this.flowChoice.set(path.id, 0, 0);
    this.packetChoice.setWeight(path.id, 0);
    path.carriesFlows = false;
    this.judge(now);
  }

  /** When a judgement may change though nothing is heard; Infinity: not before. */
  nextDeadline(): number {
    let next = Infinity;
    for (const { standing } of this.#paths) next = Math.min(next, standing.nextDeadline);
    return next;
  }
}

/**
 * The round trip that others are held against, or null: the least of the best kind of path there is.
 * A near path that is bad or on probation must not make those bad that could stand in for it.
 */
function bestRttOf(
  paths: readonly SessionPath[],
  measures: readonly PathMeasure[],
): number | null {
  let best: number | null = null;
  let bestRank = Infinity;
  for (const [index, path] of paths.entries()) {
    const { rttMs } = measures[index]!;
    const rank = RANK[path.standing.reason ?? "good"];
    if (rttMs === null || !path.isUsable || rank > bestRank) continue;
    best = rank < bestRank ? rttMs : Math.min(best!, rttMs);
    bestRank = rank;
  }
  return best;
}

function measure({ quality, isNarrow }: SessionPath, now: number): PathMeasure {
  return {
    isNarrow,
    rttMs: quality.judgedRttMs(now),
    jitterMs: quality.judgedJitterMs,
    loss: quality.judgedLoss(now),
    lostCount: quality.judgedLostCount(now),
  };
}
