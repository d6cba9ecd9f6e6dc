/**
 * Which paths of a session are covered by repair records (x1, type 7), and how densely: those that lose
 * packets while even the fastest path is so far that what is sent again comes too late. The rest of
 * the time there are no groups, and nothing is done for a packet.
 */
import { RepairGroup } from "../path/repair_group.ts";
import type { PathTable } from "../path/path_table.ts";
import type { SessionPath } from "../path/session_path.ts";
import type { Scheduling } from "../schedule/scheduling.ts";

const JUDGE_MS = 100;
/** Sent again, a packet comes a round trip late: what is nearer is repaired by that. */
const FAR_MS = 150;
/** Once covered, paths are so until they are clearly better. */
const FAR_MS_KEPT = 130;
const LOSS = 0.003;
const LOSS_KEPT = 0.001;
const LOST_MIN = 3;
/** Where more is lost, groups miss two records as a rule. */
const LOSS_MAX = 0.1;
const LOSS_MAX_KEPT = 0.15;
const SIZE_MAX = 10;
/** A parity is longer than what it covers by its prefix: a full group may have one. */
const SHARE = 1.1;
/** A path that is slower than the one it helps is not filled with parities. */
const CARRIER_SHARE = 0.25;
/** Bytes a millisecond, of a path that was never full: 8 Mbit/s. */
const RATE_UNKNOWN = 1000;

/**
 * How many records are covered by one repair record; 0: none are.
 * @param loss share of the path's records that get lost; null when it is not known.
 * @param fastestMs the round trip of the session's fastest path; null when it is not known.
 * @param before what this gave for the path last.
 */
export function repairGroupSize(
  loss: number | null,
  fastestMs: number | null,
  before: number,
): number {
  if (loss === null || fastestMs === null) return 0;
  const isOn = before > 0;
  if (fastestMs < (isOn ? FAR_MS_KEPT : FAR_MS)) return 0;
  if (loss < (isOn ? LOSS_KEPT : LOSS) || loss > (isOn ? LOSS_MAX_KEPT : LOSS_MAX)) return 0;
  return Math.max(2, Math.min(SIZE_MAX, Math.round(1 / (2 * loss))));
}

/**
 * Bytes a millisecond that repair records may take.
 * @param rate of the path that they cover, and `carrierRate` of the one that they leave on.
 */
export function repairRate(size: number, rate: number, carrierRate: number): number {
  return Math.min(rate * SHARE / size, carrierRate * CARRIER_SHARE);
}

export class Repairs {
  /** Whether a path is covered. */
  isOn = false;
  /** Whether paths are so far that they are covered when they lose packets. */
  isFar = false;
  readonly #paths: PathTable;
  readonly #scheduling: Scheduling;
  #judgedAt = -Infinity;

  constructor(paths: PathTable, scheduling: Scheduling) {
    this.#paths = paths;
    this.#scheduling = scheduling;
  }

  handleTimeout(now: number): void {
    if (now - this.#judgedAt < JUDGE_MS) return;
    this.#judgedAt = now;
    const fastestMs = this.#fastestMs(now);
    this.isFar = fastestMs !== null && fastestMs >= FAR_MS &&
      this.#scheduling.scheduler.spreadsFlows;
    this.isOn = false;
    for (const path of this.#paths) this.#judge(path, fastestMs, now);
  }

  #fastestMs(now: number): number | null {
    let least = Infinity;
    for (const path of this.#paths) {
      if (path.mayCarry) least = Math.min(least, path.quality.judgedRttMs(now) ?? Infinity);
    }
    return least === Infinity ? null : least;
  }

  #judge(path: SessionPath, fastestMs: number | null, now: number): void {
    const { quality, repairGroup } = path;
    const { spreadsFlows } = this.#scheduling.scheduler;
    const carrier = spreadsFlows && path.mayCarry ? this.carrierFor(path, now) : null;
    const isLossy = repairGroup !== null || quality.judgedLostCount(now) >= LOST_MIN;
    const size = carrier !== null && isLossy
      ? repairGroupSize(quality.judgedLoss(now), fastestMs, repairGroup?.size ?? 0)
      : 0;
    if (carrier === null || size === 0) {
      path.repairGroup = null;
      return;
    }
    const group = path.repairGroup ??= new RepairGroup(path.id);
    group.size = size;
    group.rate = repairRate(size, this.#rateOf(path), this.#rateOf(carrier));
    this.isOn = true;
  }

  /** Bytes a millisecond that a path carries, as far as that is known. */
  #rateOf(path: SessionPath): number {
    const { capacity } = this.#scheduling.scheduler.loadOf(path);
    return capacity === null
      ? Math.max(RATE_UNKNOWN, path.quality.sentRate / 1000)
      : capacity / 1000;
  }

  /** The path that carries the parity of `covered`: the fastest of the others; null without one. */
  carrierFor(covered: SessionPath, now: number): SessionPath | null {
    let fastest: SessionPath | null = null;
    let least = Infinity;
    for (const path of this.#paths) {
      if (path === covered || !path.mayCarry) continue;
      const roundTripMs = path.quality.judgedRttMs(now) ?? Infinity;
      if (roundTripMs >= least && fastest !== null) continue;
      least = roundTripMs;
      fastest = path;
    }
    return fastest;
  }

  /** When the parity of a path is due next; Infinity: none is. */
  nextDue(): number {
    let next = Infinity;
    if (!this.isOn) return next;
    for (const { repairGroup } of this.#paths) {
      if (repairGroup !== null) next = Math.min(next, repairGroup.dueAt);
    }
    return next;
  }
}
