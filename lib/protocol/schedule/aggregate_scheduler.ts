/**
 * One flow over all paths (`aggregate/`), as a scheduler: packets are held until a path's pacer lets
 * them leave, and kept until they are acknowledged; or they leave at once where no path could be
 * filled.
 */
import { type FlowKey } from "../packet/flow_key.ts";
import { PROTOCOL_ICMP, PROTOCOL_ICMP6, PROTOCOL_TCP, PROTOCOL_UDP } from "../packet/ip.ts";
import type { PathTable } from "../path/path_table.ts";
import type { SessionPath } from "../path/session_path.ts";
import type { Acknowledgement } from "../wire/acknowledgement.ts";
import { FLAG_COPY, FLAG_ORDER_EXTENSION, RECORD_OVERHEAD } from "../wire/header.ts";
import {
  ORDER_EXTENSION_LENGTH,
  ORDER_FLAG_PRIORITY,
  ORDER_FLAG_RECOVERABLE,
  ORDER_FLAG_REPEATED,
  OrderExtension,
} from "../wire/order_extension.ts";
import { Aggregate, type Traffic } from "./aggregate/aggregate.ts";
import { CutThrough } from "./aggregate/cut_through.ts";
import type { PathLane } from "./aggregate/path_lane.ts";
import type { OrderNumbers } from "./aggregate/order_numbers.ts";
import {
  NO_SLOT,
  PacketSlots,
  SLOT_ORDERED,
  SLOT_PRIORITY,
  SLOT_RECOVERABLE,
  SLOT_REPEATED,
  SLOT_SUPERSEDED,
} from "./aggregate/packet_slots.ts";
import { TcpProgress } from "./aggregate/tcp_progress.ts";
import { STREAM_COPIES } from "./ordered_stream.ts";
import type { PathLoad } from "./path_load.ts";
import { Departure, type Scheduler } from "./scheduler.ts";

/** Slots that a caller may use: 0 to this, without. */
const SLOTS = 4096;
/** IPv4 and UDP outside. */
const DATAGRAM_OVERHEAD = 28;
const OVERHEAD = DATAGRAM_OVERHEAD + RECORD_OVERHEAD;
const LENGTH_MAX = 0xffff;
/** Records are so much longer than what was read at the most. */
const OVERHEAD_FACTOR = 4;
const PORT_DNS = 53;
/**
 * What waits for an answer is copied to another path where its own loses so much, or is so far that
 * whoever asked would send it again too late.
 */
const COPIED_LOSS = 0.003;
const COPIED_LOST_MIN = 3;
const COPIED_ROUND_TRIP_MS = 150;
/** Silence is looked for so often. */
const TIMEOUT_MS = 5;
/** So often a packet is numbered: the peer acknowledges for thirty seconds after one. */
const NUMBERED_EVERY_MS = 10_000;

export class AggregateScheduler implements Scheduler {
  readonly name = "aggregate";
  readonly holdsPackets = true;
  readonly spreadsFlows = true;
  readonly usesEveryPath = false;
  readonly #paths: PathTable;
  readonly #slots = new PacketSlots(SLOTS, "numbered by the caller");
  readonly #aggregate: Aggregate;
  readonly #cutThrough: CutThrough;
  /** Null until there is a packet of TCP. */
  #tcpProgress: TcpProgress | null = null;
  readonly #departure = new Departure();
  readonly #extension = new OrderExtension();
  readonly #single: SessionPath[] = [];
  readonly #both: SessionPath[] = [];
  readonly #none: readonly SessionPath[] = [];
  #hash = 0;
  #payloadBytes = 0;
  #traffic: Traffic = "bulk";
  /** Given by `poll`, not written yet. */
  #leaving = NO_SLOT;
  #now = 0;
  /** Where packets of this read go when no path works; null: as the paths have it. */
  #lastResort: SessionPath | null = null;
  #isStranded = false;
  /** Where packets of this read leave at once; null: they are held. */
  #through: SessionPath | null = null;
  #numberedAt = -Infinity;
  #handledAt = -Infinity;

  constructor(paths: PathTable, numbers: OrderNumbers) {
    this.#paths = paths;
    this.#aggregate = new Aggregate(this.#slots, OVERHEAD, numbers);
    this.#cutThrough = new CutThrough(this.#aggregate.lanes, () => paths.receivedBytes());
  }

  get storesPackets(): boolean {
    return this.#through === null;
  }

  pathsChanged(paths: readonly SessionPath[], _weighed: unknown, now: number): void {
    for (const path of paths) {
      path.carriesFlows = path.mayCarry;
      const { sendRate } = path.rule;
      const ceiling = sendRate === null ? Infinity : sendRate / 1000;
      const lane = this.#aggregate.lane(path.id);
      lane?.capacity.limit(ceiling);
      if (lane !== null && path.startRate !== null) this.#beginWith(path, lane);
      if (lane === null) {
        if (path.isUsable) this.#addLane(path, ceiling);
      } else if (!path.isUsable) {
        if (!lane.isBarred) this.#aggregate.linkFailed(lane, now);
        lane.isBarred = true;
      } else if (lane.isBarred) {
        lane.isBarred = false;
        this.#aggregate.linkWorks(lane);
      }
    }
    this.#keepReserve(paths);
  }

  #addLane(path: SessionPath, ceiling: number): void {
    const rate = ceiling < Infinity ? { rate: ceiling } : {};
    const lane = this.#aggregate.addPath({ id: path.id, ceiling, ...rate });
    if (path.startRate !== null) this.#beginWith(path, lane);
  }

  /** Once: what is measured later counts. */
  #beginWith(path: SessionPath, { capacity }: PathLane): void {
    if (!capacity.isLimited) capacity.startFrom(path.startRate! / 1000);
    path.startRate = null;
  }

  /** Paths that are held back keep what they have, and take nothing more. */
  #keepReserve(paths: readonly SessionPath[]): void {
    let hasChanged = false;
    for (const { id, isHeldBack } of paths) {
      const lane = this.#aggregate.lane(id);
      if (lane === null || lane.isReserve === isHeldBack) continue;
      lane.isReserve = isHeldBack;
      hasChanged = true;
    }
    if (hasChanged) this.#aggregate.reserveChanged();
  }

  loadOf({ id, knownRate }: SessionPath): PathLoad {
    const lane = this.#aggregate.lane(id);
    if (lane === null) {
      const idle = { queuedBytes: 0, queuedMs: 0, retransmitted: 0, reinjected: 0 };
      return { capacity: knownRate, ...idle };
    }
    const { capacity, retransmitted, reinjected, waitingBytes } = lane;
    const { estimate, isStarting, isLimited, queueMs } = capacity;
    return {
      // Of a path that was never full it is only known that it carries more.
      capacity: isStarting && !isLimited ? null : 1000 * estimate,
      queuedBytes: waitingBytes,
      queuedMs: Math.max(0, queueMs) + waitingBytes / capacity.rate(this.#now),
      retransmitted,
      reinjected,
    };
  }

  pathRemoved(path: SessionPath, now: number): void {
    this.#aggregate.removePath(path.id, now);
  }

  feedbackReceived(): void {}

  acknowledged(message: Acknowledgement, now: number): boolean {
    this.#now = now;
    // A path that takes no packets yet is acknowledged, too.
    const { pathId } = message;
    if (this.#aggregate.lane(pathId) === null && this.#paths.byId(pathId) !== null) return true;
    if (this.#aggregate.acknowledge(message, now) !== null) return false;
    this.#cutThrough.heard(this.#aggregate.lane(pathId)!, now);
    return true;
  }

  begin(flow: FlowKey, bytes: number, now: number): boolean {
    this.#lastResort = null;
    this.#now = now;
    this.#isStranded = false;
    this.#through = this.#pathThrough(bytes, now);
    if (this.#through !== null) return true;
    this.#hash = flow.hashA;
    this.#payloadBytes = 0;
    this.#traffic = this.#trafficOf(flow);
    if (this.#aggregate.hasPath) return true;
    // None works, but one may do so again before it is known.
    const path = this.#paths.lastHeard();
    if (path !== null && path.amplificationCredit >= OVERHEAD_FACTOR * bytes) {
      this.#lastResort = path;
    }
    this.#isStranded = this.#lastResort === null;
    return !this.#isStranded;
  }

  /** Where packets leave at once, once those that waited have left; null: nowhere. */
  #pathThrough(bytes: number, now: number): SessionPath | null {
    const lane = this.#cutThrough.laneFor(bytes, now);
    if (lane === null || !this.#aggregate.isEmpty) return null;
    return now - this.#numberedAt < NUMBERED_EVERY_MS ? this.#paths.byId(lane.id) : null;
  }

  #trafficOf(flow: FlowKey): Traffic {
    if (flow.protocol === PROTOCOL_TCP) {
      this.#payloadBytes = flow.payloadBytes;
      const progress = this.#tcpProgress ??= new TcpProgress();
      if (progress.isRepeated(flow)) return this.#repeatedOf(flow);
      return progress.acknowledgesMore(flow) ? "acknowledgement" : "tcp";
    }
    return isInteractive(flow) ? "interactive" : "bulk";
  }

  #repeatedOf(flow: FlowKey): Traffic {
    const waiting = this.#aggregate.waitingPayload(flow.hashA);
    return this.#tcpProgress!.isAmongLast(flow, waiting) ? "needless" : "repeated";
  }

  offer(slot: number, bytes: number, now: number): Departure | null {
    this.#now = now;
    if (this.#through !== null) return this.#leaveAtOnce(slot, this.#through);
    if (this.#isStranded) return this.#giveUp(slot);
    if (this.#lastResort !== null) return this.#leaveAtOnce(slot, this.#lastResort);
    this.#slots.adopt(slot);
    const length = Math.min(LENGTH_MAX, bytes + OVERHEAD + ORDER_EXTENSION_LENGTH);
    this.#aggregate.offer(slot, length, this.#hash, this.#traffic, now, this.#payloadBytes);
    return null;
  }

  poll(now: number): Departure | null {
    this.#now = now;
    if (this.#leaving !== NO_SLOT) this.#notWritten();
    if (now - this.#handledAt >= TIMEOUT_MS || this.#aggregate.mustRelease(now)) {
      this.#handledAt = now;
      this.#aggregate.handleTimeout(now);
    }
    for (;;) {
      const released = this.#slots.takeReleased();
      if (released !== NO_SLOT) return this.#released(released);
      const slot = this.#aggregate.poll(now);
      if (slot === NO_SLOT) return null;
      const path = this.#paths.byId(this.#aggregate.departing!.id);
      if (path !== null) return this.#depart(slot, path);
      this.#slots.release(slot);
    }
  }

  #leaveAtOnce(slot: number, path: SessionPath): Departure {
    const departure = this.#giveUp(slot);
    this.#single[0] = path;
    departure.paths = this.#single;
    return departure;
  }

  /** The end that sends had no room for it. */
  #notWritten(): void {
    this.#slots.release(this.#leaving);
    this.#leaving = NO_SLOT;
  }

  #released(slot: number): Departure {
    const departure = this.#giveUp(slot);
    if ((this.#slots.flags[slot]! & SLOT_SUPERSEDED) !== 0) departure.reason = "superseded";
    return departure;
  }

  #giveUp(slot: number): Departure {
    const departure = this.#departure;
    departure.slot = slot;
    departure.reason = "queue full";
    departure.paths = this.#none;
    departure.isKept = false;
    departure.flags = departure.stream = 0;
    departure.extension = null;
    return departure;
  }

  #depart(slot: number, path: SessionPath): Departure {
    const slots = this.#slots;
    const departure = this.#departure;
    const flags = slots.flags[slot]!;
    this.#leaving = slot;
    this.#single[0] = path;
    departure.slot = slot;
    departure.paths = this.#single;
    departure.isKept = true;
    departure.flags = departure.stream = 0;
    departure.extension = null;
    if ((flags & SLOT_ORDERED) === 0) return this.#copy(departure, path);
    this.#numberedAt = this.#now;
    const extension = this.#extension;
    extension.order = slots.order[slot]!;
    extension.paths = slots.paths[slot]!;
    extension.flags = ((flags & SLOT_RECOVERABLE) === 0 ? 0 : ORDER_FLAG_RECOVERABLE) |
      ((flags & SLOT_REPEATED) === 0 ? 0 : ORDER_FLAG_REPEATED) |
      ((flags & SLOT_PRIORITY) === 0 ? 0 : ORDER_FLAG_PRIORITY);
    departure.flags = FLAG_ORDER_EXTENSION;
    departure.stream = slots.stream[slot]!;
    departure.sequence = slots.sequence[slot]!;
    departure.extension = extension;
    return departure;
  }

  /** Hot. Lets a packet that nobody would send again leave on two paths, where its own may lose it. */
  #copy(departure: Departure, path: SessionPath): Departure {
    const { quality } = path;
    const now = this.#now;
    const isLossy = quality.judgedLostCount(now) >= COPIED_LOST_MIN &&
      (quality.judgedLoss(now) ?? 0) >= COPIED_LOSS;
    const isFar = (quality.judgedRttMs(now) ?? 0) >= COPIED_ROUND_TRIP_MS;
    if (!isLossy && !isFar) return departure;
    const other = this.#aggregate.fastestBeside(path.id, now);
    const second = other === null ? null : this.#paths.byId(other.id);
    if (second === null) return departure;
    this.#both[0] = path;
    this.#both[1] = second;
    departure.paths = this.#both;
    departure.flags = FLAG_COPY;
    departure.stream = STREAM_COPIES;
    return departure;
  }

  recordWritten(
    path: SessionPath,
    kind: "packet" | "control",
    epoch: number,
    counter: number,
    bytes: number,
  ): void {
    if (kind === "packet" && this.#leaving !== NO_SLOT) {
      const slot = this.#leaving;
      this.#leaving = NO_SLOT;
      // Compressed it is shorter than what was offered.
      this.#slots.length[slot] = Math.min(LENGTH_MAX, bytes + OVERHEAD);
      this.#aggregate.sent(slot, epoch, counter, this.#now);
      return;
    }
    const lane = this.#aggregate.lane(path.id);
    if (lane === null) return;
    const { recovery } = this.#aggregate;
    const length = bytes + OVERHEAD;
    if (kind === "packet" && this.#through === path) {
      recovery.sentThrough(lane, epoch, counter, length, this.#now);
    } else recovery.sentOther(lane, epoch, counter, length, this.#now);
  }

  nextDeparture(now: number): number {
    return this.#slots.hasReleased ? now : this.#aggregate.nextTimeout(now);
  }
}

/** Who waits for an answer, and is short. */
function isInteractive({ protocol, ports }: FlowKey): boolean {
  if (protocol === PROTOCOL_ICMP || protocol === PROTOCOL_ICMP6) return true;
  return protocol === PROTOCOL_UDP && ((ports & 0xffff) === PORT_DNS || ports >>> 16 === PORT_DNS);
}
