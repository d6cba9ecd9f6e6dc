/** Judges the paths of a session by their quality, and tells its scheduler. */
import type { PathTable } from "../path/path_table.ts";
import type { SessionPath } from "../path/session_path.ts";
import { OrderNumbers } from "./aggregate/order_numbers.ts";
import { LimitedScheduler } from "./limited_scheduler.ts";
import { newScheduler, type SchedulerContext } from "./new_scheduler.ts";
import { Reserve } from "./reserve.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SchedulerName } from "../wire/scheduler_name.ts";
import {
  faultOf,
  type Limits,
  limitsFor,
  type PathMeasure,
  type Reason,
} from "../path/eligibility.ts";
import type { WeighedPath } from "./weights.ts";

/** Paths of the lowest rank present set the round trip that others are compared to. */
const RANK: Readonly<Record<Reason | "good", number>> = {
  good: 0,
  rtt: 1,
  recovering: 1,
  jitter: 2,
  loss: 2,
  mtu: 2,
};

/**
 * When paths that are kept in reserve take part. `flow` spills grown flows over to them for itself, and
 * `failover` uses one path at a time, full or not.
 */
const OPENS_RESERVE: Readonly<Record<SchedulerName, "when full" | "when down">> = {
  flow: "when down",
  failover: "when down",
  stripe: "when full",
  redundant: "when full",
  aggregate: "when full",
};

export class Scheduling {
  /** The paths that work, good or not. */
  live: readonly SessionPath[] = [];
  #scheduler: Scheduler;
  readonly #paths: PathTable;
  readonly #context: SchedulerContext;
  readonly #limits: Limits;
  readonly #numbers = new OrderNumbers();
  readonly #reserve = new Reserve();

  /** @param flushTimeoutMs how long the receiver waits for a packet that is out of order. */
  constructor(context: SchedulerContext, scheduler: SchedulerName, flushTimeoutMs: number) {
    this.#paths = context.paths;
    this.#context = context;
    this.#scheduler = newScheduler(scheduler, context, this.#numbers);
    this.#limits = limitsFor(flushTimeoutMs);
  }

  get scheduler(): Scheduler {
    return this.#scheduler;
  }

  /** Switches to another scheduler. */
  use(scheduler: SchedulerName, now: number): void {
    if (scheduler === this.#scheduler.name) return;
    const next = newScheduler(scheduler, this.#context, this.#numbers);
    if (next.name === this.#scheduler.name) return;
    this.#scheduler = next;
    this.judge(now);
  }

  /** Judges all paths as they are at `now`. */
  judge(now: number): void {
    const paths = [...this.#paths];
    this.#limit(paths);
    this.#reserve.judge(
      paths,
      OPENS_RESERVE[this.#scheduler.name],
      (path) => this.#scheduler.loadOf(path),
      now,
    );
    const measures = paths.map((path) => measure(path, now));
    const bestRttMs = bestRttOf(paths, measures);
    for (const [index, path] of paths.entries()) {
      const { sentBytes, receivedBytes } = path.counters;
      path.quality.noteCarried(sentBytes, receivedBytes, now);
      // Its quality is unknown while it is down; it is judged when it is back.
      if (path.liveness.state === "down") continue;
      const fault = faultOf(measures[index]!, bestRttMs, this.#limits);
      // A long round trip counts at once, unless our own load may have caused it.
      const isCertain = fault === "mtu" || fault === "rtt" && !path.quality.isLoaded;
      path.eligibility.judge(fault, now, isCertain);
    }
    const weighed = paths.map((path, index) => weigh(path, measures[index]!, now));
    this.#scheduler.pathsChanged(paths, weighed, now);
    this.live = paths.filter(({ isUsable }) => isUsable);
  }

  /** Paths are held to the rates of their rules by the scheduler itself, or by one around it. */
  #limit(paths: readonly SessionPath[]): void {
    const scheduler = this.#scheduler;
    const isLimited = scheduler instanceof LimitedScheduler;
    if (isLimited && !LimitedScheduler.isNeeded(paths)) this.#scheduler = scheduler.inner;
    else if (!scheduler.holdsPackets && LimitedScheduler.isNeeded(paths)) {
      this.#scheduler = new LimitedScheduler(scheduler);
    }
  }

  /** The path has been removed. */
  forget(path: SessionPath, now: number): void {
    this.#scheduler.pathRemoved(path, now);
    path.carriesFlows = false;
    this.judge(now);
  }

  /** When a judgement may change though nothing is heard; Infinity: not before. */
  nextDeadline(): number {
    let next = Infinity;
    for (const { eligibility, liveness } of this.#paths) {
      if (liveness.state !== "down") next = Math.min(next, eligibility.nextDeadline);
    }
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
    const rank = RANK[path.eligibility.reason ?? "good"];
    if (rttMs === null || !path.mayCarry || rank > bestRank) continue;
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

function weigh(path: SessionPath, { rttMs }: PathMeasure, now: number): WeighedPath {
  return {
    isUsable: path.mayCarry,
    reason: path.eligibility.reason,
    rttMs,
    score: path.quality.score(now),
    deliveryRate: path.knownRate,
  };
}
