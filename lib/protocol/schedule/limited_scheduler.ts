/**
 * Holds the paths of another scheduler to the rates that their rules prescribe: what would go beyond
 * waits in a fair queue of its path, as in `tbf` with `fq_codel` below it, and leaves at the path's
 * pace. Paths without a rate are not touched. Nothing is allocated for a packet.
 */
import type { FlowKey } from "../packet/flow_key.ts";
import { Pacer } from "../path/pacer.ts";
import type { SessionPath } from "../path/session_path.ts";
import type { Acknowledgement } from "../wire/acknowledgement.ts";
import { RECORD_OVERHEAD } from "../wire/header.ts";
import type { PathFeedback } from "../wire/path_feedback.ts";
import type { SchedulerName } from "../wire/scheduler_name.ts";
import { FairQueue } from "./aggregate/fair_queue.ts";
import { NO_SLOT, PacketSlots } from "./aggregate/packet_slots.ts";
import type { PathLoad } from "./path_load.ts";
import { Departure, type Scheduler } from "./scheduler.ts";
import type { WeighedPath } from "./weights.ts";

/** Slots of the store: one read may be more packets than that from which on none is read. */
const SLOTS = 4096;
/** Headers of IP and UDP outside. */
const OVERHEAD = { 4: 28 + RECORD_OVERHEAD, 6: 48 + RECORD_OVERHEAD } as const;
/** What may wait for a path, in ms at its rate, and in bytes at the least. */
const QUEUE_MS = 100;
const QUEUE_BYTES_MIN = 65_536;
/** A path with so much waiting is asked for more than it carries. */
const BACKLOG_MS = 5;

class Lane {
  readonly pacer = new Pacer();
  readonly queue: FairQueue;
  /** Bytes a millisecond. */
  rate = 0;

  constructor(readonly path: SessionPath, slots: PacketSlots) {
    this.queue = new FairQueue(slots);
  }
}

export class LimitedScheduler implements Scheduler {
  readonly holdsPackets = true;
  readonly storesPackets = true;
  readonly #inner: Scheduler;
  readonly #slots = new PacketSlots(SLOTS, "numbered by the caller");
  /** Of the packet in a slot that waits. */
  readonly #wireFlags = new Uint8Array(SLOTS);
  readonly #streams = new Uint16Array(SLOTS);
  readonly #lanes: Lane[] = [];
  readonly #departure = new Departure();
  readonly #single: SessionPath[] = [];
  readonly #copies: SessionPath[] = [];
  readonly #none: readonly SessionPath[] = [];
  #hash = 0;
  #turn = 0;
  #now = 0;

  /** @param inner one that holds no packets itself. */
  constructor(inner: Scheduler) {
    this.#inner = inner;
  }

  /** Whether a rule prescribes a rate for one of `paths`. */
  static isNeeded(paths: readonly SessionPath[]): boolean {
    for (const { rule } of paths) if (rule.sendRate !== null) return true;
    return false;
  }

  /** The scheduler that chooses the paths. */
  get inner(): Scheduler {
    return this.#inner;
  }

  get name(): SchedulerName {
    return this.#inner.name;
  }

  get spreadsFlows(): boolean {
    return this.#inner.spreadsFlows;
  }

  get usesEveryPath(): boolean {
    return this.#inner.usesEveryPath;
  }

  pathsChanged(paths: readonly SessionPath[], weighed: readonly WeighedPath[], now: number): void {
    this.#now = now;
    for (const path of paths) {
      const { sendRate } = path.rule;
      const lane = this.#laneOf(path);
      if (sendRate === null) this.#end(lane);
      else (lane ?? this.#begin(path)).rate = sendRate / 1000;
    }
    this.#inner.pathsChanged(paths, weighed, now);
  }

  #begin(path: SessionPath): Lane {
    const lane = new Lane(path, this.#slots);
    this.#lanes.push(lane);
    return lane;
  }

  /** What waits for it is dropped. */
  #end(lane: Lane | null): void {
    if (lane === null) return;
    this.#lanes.splice(this.#lanes.indexOf(lane), 1);
    for (let slot = lane.queue.take(); slot !== NO_SLOT; slot = lane.queue.take()) {
      this.#slots.release(slot);
    }
  }

  /** Hot. */
  #laneOf(path: SessionPath): Lane | null {
    for (let index = 0; index < this.#lanes.length; index++) {
      if (this.#lanes[index]!.path === path) return this.#lanes[index]!;
    }
    return null;
  }

  pathRemoved(path: SessionPath, now: number): void {
    this.#end(this.#laneOf(path));
    this.#inner.pathRemoved(path, now);
  }

  feedbackReceived(path: SessionPath, feedback: PathFeedback, now: number): void {
    this.#inner.feedbackReceived(path, feedback, now);
  }

  acknowledged(message: Acknowledgement, now: number): boolean {
    return this.#inner.acknowledged(message, now);
  }

  recordWritten(
    path: SessionPath,
    kind: "packet" | "control",
    _epoch: number,
    _counter: number,
    bytes: number,
  ): void {
    // Packets are counted when they are let go.
    const lane = kind === "control" ? this.#laneOf(path) : null;
    lane?.pacer.departed(bytes + OVERHEAD[path.family], lane.rate, this.#now);
  }

  begin(flow: FlowKey, bytes: number, now: number): boolean {
    this.#now = now;
    this.#hash = flow.hashA;
    return this.#inner.begin(flow, bytes, now);
  }

  offer(slot: number, bytes: number, now: number): Departure | null {
    this.#now = now;
    const chosen = this.#inner.offer(slot, bytes, now);
    if (chosen === null || chosen.paths.length === 0) return chosen;
    const departure = this.#departure;
    departure.slot = slot;
    departure.flags = chosen.flags;
    departure.stream = chosen.stream;
    this.#copies.length = 0;
    let soonest: Lane | null = null;
    for (let copy = 0; copy < chosen.paths.length; copy++) {
      const path = chosen.paths[copy]!;
      const lane = this.#laneOf(path);
      if (lane === null || this.#mayLeaveAtOnce(lane, now)) {
        lane?.pacer.departed(bytes + OVERHEAD[path.family], lane.rate, now);
        this.#copies.push(path);
      } else if (soonest === null || lane.pacer.nextAt < soonest.pacer.nextAt) {
        soonest = lane;
      }
    }
    departure.paths = this.#copies;
    // A copy that has no room is left out where others have.
    if (this.#copies.length > 0 || soonest === null) return departure;
    this.#hold(soonest, slot, bytes, departure, now);
    return null;
  }

  #mayLeaveAtOnce({ queue, pacer }: Lane, now: number): boolean {
    return queue.packets === 0 && pacer.mayDepart(now);
  }

  #hold(lane: Lane, slot: number, bytes: number, { flags, stream }: Departure, now: number): void {
    const slots = this.#slots;
    const { path, queue, rate } = lane;
    slots.adopt(slot);
    slots.length[slot] = bytes + OVERHEAD[path.family];
    slots.flow[slot] = FairQueue.flowOf(this.#hash);
    this.#wireFlags[slot] = flags;
    this.#streams[slot] = stream;
    queue.push(slot, now);
    if (queue.bytes > BACKLOG_MS * rate) path.backloggedAt = now;
    const most = Math.max(QUEUE_BYTES_MIN, QUEUE_MS * rate);
    while (queue.bytes > most) slots.release(queue.dropFattest());
  }

  poll(now: number): Departure | null {
    this.#now = now;
    const departure = this.#departure;
    const released = this.#slots.takeReleased();
    if (released !== NO_SLOT) {
      departure.slot = released;
      departure.paths = this.#none;
      return departure;
    }
    for (let tried = 0; tried < this.#lanes.length; tried++) {
      const lane = this.#lanes[this.#turn++ % this.#lanes.length]!;
      if (lane.queue.packets === 0 || !lane.pacer.mayDepart(now)) continue;
      return this.#depart(lane, now);
    }
    return null;
  }

  #depart({ path, queue, pacer, rate }: Lane, now: number): Departure {
    const departure = this.#departure;
    const slot = queue.take();
    pacer.departed(this.#slots.length[slot]!, rate, now);
    this.#slots.release(slot);
    // The caller learns of it by this departure.
    this.#slots.takeReleased();
    this.#single[0] = path;
    departure.slot = slot;
    departure.paths = this.#single;
    departure.flags = this.#wireFlags[slot]!;
    departure.stream = this.#streams[slot]!;
    return departure;
  }

  nextDeparture(now: number): number {
    if (this.#slots.hasReleased) return now;
    let next = Infinity;
    for (const { queue, pacer } of this.#lanes) {
      if (queue.packets > 0) next = Math.min(next, pacer.nextAt);
    }
    return next;
  }

  loadOf(path: SessionPath): PathLoad {
    const load = this.#inner.loadOf(path);
    const lane = this.#laneOf(path);
    if (lane === null) return load;
    const { bytes } = lane.queue;
    return { ...load, queuedBytes: bytes, queuedMs: load.queuedMs + bytes / lane.rate };
  }
}
