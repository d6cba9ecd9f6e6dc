/** The base of schedulers that hold no packets: each packet leaves when it is offered. */
import type { FlowKey } from "../packet/flow_key.ts";
import type { PathTable } from "../path/path_table.ts";
import type { SessionPath } from "../path/session_path.ts";
import type { SchedulerName } from "../wire/scheduler_name.ts";
import type { PathLoad } from "./path_load.ts";
import { Departure, type Scheduler } from "./scheduler.ts";
import type { WeighedPath } from "./weights.ts";

/** At most so many bytes are sent for each byte read: TCP segments carry 48 bytes or more. */
const OVERHEAD_FACTOR = 4;

export abstract class ImmediateScheduler implements Scheduler {
  abstract readonly name: SchedulerName;
  readonly holdsPackets = false;
  readonly storesPackets = false;
  readonly spreadsFlows = false;
  readonly usesEveryPath: boolean = false;
  protected readonly paths: PathTable;
  protected readonly departure = new Departure();
  readonly #single: SessionPath[] = [];

  constructor(paths: PathTable) {
    this.paths = paths;
  }

  abstract pathsChanged(
    paths: readonly SessionPath[],
    weighed: readonly WeighedPath[],
    now: number,
  ): void;

  abstract pathRemoved(path: SessionPath, now: number): void;

  feedbackReceived(): void {}

  acknowledged(): boolean {
    return false;
  }

  recordWritten(): void {}

  abstract begin(flow: FlowKey, bytes: number, now: number): boolean;

  offer(slot: number, _bytes: number, _now: number): Departure | null {
    this.departure.slot = slot;
    return this.departure;
  }

  poll(_now: number): null {
    return null;
  }

  nextDeparture(now: number): number {
    return now;
  }

  loadOf({ knownRate }: SessionPath): PathLoad {
    const idle = { queuedBytes: 0, queuedMs: 0, retransmitted: 0, reinjected: 0 };
    return { capacity: knownRate, ...idle };
  }

  /** Packets leave on `path`, without order. False: there is none. */
  protected leaveOn(path: SessionPath | null): boolean {
    const { departure } = this;
    departure.flags = departure.stream = 0;
    if (path === null) {
      departure.paths = [];
      return false;
    }
    this.#single[0] = path;
    departure.paths = this.#single;
    return true;
  }

  /**
   * Packets leave on the path heard from last: none works, but one may do so again before it is
   * known. False: there is none, or the address it leads to may be sent no more yet.
   */
  protected leaveOnLastHeard(bytes: number): boolean {
    const path = this.paths.lastHeard();
    return this.leaveOn(
      path !== null && path.amplificationCredit >= OVERHEAD_FACTOR * bytes ? path : null,
    );
  }
}
