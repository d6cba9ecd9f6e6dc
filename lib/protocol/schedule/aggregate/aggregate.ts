/**
 * One flow over all paths: chooses, for each packet, the path on which it arrives soonest, and lets
 * it leave at the pace of that path.
 *
 *     offer -> fair queue -> path lanes (priority, bulk) -> poll -> the wire
 *                                ^ what is lost or silent comes back
 *
 * A flow that does not queue takes the fastest path. One that queues is "spread": its packets are
 * shared out over all paths such that they would arrive in order, the fast paths waiting as long as
 * the slow ones are later. So the flow sees one link of the sum of the rates and of the delay of the
 * slowest path, whatever it sends; a sender that models its path (BBR) would else take the delay of
 * one path for that of the sum. Other flows keep the delay of the fastest path: they pass by.
 *
 * Pure: time is an argument, in milliseconds. The packets are the caller's, by slot.
 */
// long: one packet's way in, over and out, and what comes back; its parts are files of their own
import type { AcknowledgementFault } from "../../path/sent_records.ts";
import type { Acknowledgement } from "../../wire/acknowledgement.ts";
import { BatchWidth } from "./batch_width.ts";
import { Bursts } from "./bursts.ts";
import { CUT_GRACE_MS, CutGrace } from "./cut_grace.ts";
import { FairQueue } from "./fair_queue.ts";
import { FlowModes } from "./flow_modes.ts";
import { InteractiveAllowance } from "./interactive_allowance.ts";
import {
  fastestPriority,
  idleSpread,
  isIdle,
  openRate,
  openReserve,
  soonestSpread,
} from "./lane_choice.ts";
import { type LaneOptions, PathLane } from "./path_lane.ts";
import { Recovery } from "./recovery.ts";
import { OrderNumbers } from "./order_numbers.ts";
import { SpreadPlan } from "./spread_plan.ts";
import { QueueLimit } from "./queue_limit.ts";
import { TcpAckFilter } from "./tcp_ack_filter.ts";
import { WaitingRoom } from "./waiting_room.ts";
import {
  NO_SLOT,
  type PacketSlots,
  SLOT_ORDERED,
  SLOT_PRIORITY,
  SLOT_RECOVERABLE,
  SLOT_SUPERSEDED,
  SLOT_TCP,
  SLOT_TCP_REPEATED,
} from "./packet_slots.ts";
import { STREAMS_MAX } from "../../wire/header.ts";

/** Paths are given so much work ahead. */
const AHEAD_MS = 3;
/** What a flow sends before the next has its turn, in ms of all paths. */
const TURN_MS = 2;
/** What waits is looked at so often though nothing leaves. */
const LOOK_MS = 1.5;
/** Senders answer a loss within a round trip, of which what waits is a part. */
const ANSWER_MS_MAX = 1000;
/** Records of a path overtake each other by less. */
const TOLERANCE_MS = 2;

/**
 * When a path is gone, and a packet of a flow was dropped, what it repeats goes first for so long: it
 * would wait behind all that is too much for the others. A sender that sees it overtake the packets
 * before it takes those for lost (RACK, RFC 8985), and repeats them: that is dropped, as they wait here
 * yet.
 */
const REPEATED_FIRST_MS = 2000;
/** What was dropped so long before a path went may not be repeated yet. */
const UNREPEATED_MS = 300;
/** Nothing is withheld of a flow whose packets queued within so much. */
const UNQUEUED_MS = 100;
/** What is shorter acknowledges packets of the other direction. */
const DATA_BYTES_MIN = 600;

/**
 * `repeated` is what its sender, of TCP, sends again; `acknowledgement` says all that the ones before
 * it said (`TcpProgress`); `needless` is repeated, though it waits here yet; `bulk` is no TCP.
 */
export type Traffic =
  | "interactive"
  | "repeated"
  | "needless"
  | "acknowledgement"
  | "tcp"
  | "bulk";

/** Hot path: nothing is allocated for a packet. */
export class Aggregate {
  readonly lanes: PathLane[] = [];
  /** Acknowledgements that cannot be true. */
  badAcknowledgements = 0;
  /** Acknowledgements of TCP that a newer one made needless, and what was repeated needlessly. */
  superseded = 0;
  /** The lane that the slot given by `poll` leaves on. */
  departing: PathLane | null = null;
  readonly #slots: PacketSlots;
  readonly #queue: FairQueue;
  readonly #recovery: Recovery;
  /** Null until a packet of a flow waits: most sessions are idle. */
  #modesMade: FlowModes | null = null;
  readonly #plan = new SpreadPlan();
  readonly #bursts: Bursts;
  /** The path of the least delay. */
  #fastest: PathLane | null = null;
  readonly #queueLimit = new QueueLimit();
  readonly #grace = new CutGrace();
  readonly #waiting = new WaitingRoom();
  #allowance: InteractiveAllowance | null = null;
  readonly #acks = new TcpAckFilter();
  readonly #numbers: OrderNumbers;
  /** Bytes on the wire besides the payload that acknowledgements count. */
  readonly #overhead: number;
  #delayOrigin: number | null = null;
  #turn = 0;
  readonly #batch = new BatchWidth();
  /** Whether something has left since paths were last chosen for what waits. */
  #hasLeft = false;
  /** The packet that no path had room for, and when. */
  #blocked = NO_SLOT;
  #blockedAt = -Infinity;

  constructor(slots: PacketSlots, overhead: number, numbers = new OrderNumbers()) {
    this.#slots = slots;
    this.#numbers = numbers;
    this.#queue = new FairQueue(slots);
    this.#bursts = new Bursts(slots);
    this.#overhead = overhead;
    this.#recovery = new Recovery(this.lanes, slots);
  }

  /** What was sent again. */
  get recovery(): Recovery {
    return this.#recovery;
  }

  /** The delay that spread flows see beyond that of the fastest path, in ms. */
  get spreadMs(): number {
    return this.#plan.holdMs;
  }

  get #modes(): FlowModes {
    return this.#modesMade ??= new FlowModes();
  }

  // Paths

  addPath(options: LaneOptions): PathLane {
    const lane = new PathLane(this.#slots, options);
    this.lanes.push(lane);
    this.#measureLags();
    return lane;
  }

  lane(id: number): PathLane | null {
    for (const lane of this.lanes) if (lane.id === id) return lane;
    return null;
  }

  /** Hot. The lane but that of `id` on which a short packet arrives soonest; null without one. */
  fastestBeside(id: number, now: number): PathLane | null {
    return fastestPriority(this.lanes, 0, now, id);
  }

  /** Hot. Whether nothing waits to leave. */
  get isEmpty(): boolean {
    const isHeld = this.#bursts.releaseAt < Infinity || this.#acks.releaseAt < Infinity;
    return this.#queue.packets === 0 && !isHeld && isIdle(this.lanes);
  }

  /** Whether a path works, or may do so yet. */
  get hasPath(): boolean {
    for (const lane of this.lanes) if (lane.state !== "down") return true;
    return false;
  }

  removePath(id: number, now: number): void {
    const index = this.lanes.findIndex((lane) => lane.id === id);
    if (index === -1) return;
    const lane = this.lanes[index]!;
    this.linkFailed(lane, now);
    this.lanes.splice(index, 1);
    lane.records.expireAll(this.#recovery);
  }

  /** The kernel says that the link is gone: what it had goes to the others at once. */
  linkFailed(lane: PathLane, now: number): void {
    this.#recovery.linkFailed(lane, now);
    this.#measureLags();
  }

  /** Which lanes are kept in reserve has changed. */
  reserveChanged(): void {
    openReserve(this.lanes);
    this.#measureLags();
  }

  /** The session says that the path works. */
  linkWorks(lane: PathLane): void {
    lane.state = "up";
    lane.waitingSince = Infinity;
    this.#measureLags();
  }

  // Packets in

  /**
   * Hot. A packet has come; its bytes are in `slot`, which the caller took.
   * @param length bytes on the wire.
   * @param payload bytes of payload, of TCP.
   */
  offer(
    slot: number,
    length: number,
    hash: number,
    traffic: Traffic,
    now: number,
    payload = 0,
  ): void {
    const flow = FairQueue.flowOf(hash);
    this.#slots.length[slot] = length;
    this.#slots.payload[slot] = payload;
    this.#slots.flow[slot] = flow;
    const isAck = traffic === "acknowledgement";
    if (isAck && this.#mayWait(slot, flow, now)) return;
    const held = isAck ? NO_SLOT : this.#acks.flush(flow);
    if (held !== NO_SLOT) this.#enqueue(held, now);
    if (traffic === "repeated" || traffic === "needless") this.#modes.repeated(flow, now);
    if (traffic === "needless") {
      this.#queue.spare(flow, now);
      return this.#supersede(slot);
    }
    const isFirst = traffic === "interactive" ||
      (traffic === "repeated" && this.#isWaitedFor(flow, now));
    const allowance = isFirst ? this.#allowance ??= new InteractiveAllowance() : null;
    if (allowance?.take(flow, length, now) === true) {
      const lane = fastestPriority(this.lanes, length, now);
      const kept = traffic === "repeated" ? SLOT_RECOVERABLE : 0;
      if (lane !== null) {
        this.#slots.flags[slot] = SLOT_PRIORITY | kept;
        return lane.urgent.push(slot);
      }
    }
    if (traffic === "repeated") this.#slots.flags[slot] = SLOT_TCP_REPEATED;
    else if (traffic === "tcp") this.#slots.flags[slot] = SLOT_TCP;
    this.#enqueue(slot, now);
  }

  /** Whether what the flow repeats goes first: a packet of it was dropped when a path went, or since. */
  #isWaitedFor(flow: number, now: number): boolean {
    const goneMs = now - this.#recovery.gaveBackAt;
    return goneMs < CUT_GRACE_MS &&
      this.#modes.wasDropped(flow, Math.min(goneMs + UNREPEATED_MS, REPEATED_FIRST_MS), now);
  }

  #enqueue(slot: number, now: number): void {
    this.#queue.push(slot, now);
    // What was read together finds no more room, one packet after the other.
    const isBehind = this.#blockedAt === now && this.#queue.peek() === this.#blocked;
    if (!isBehind) this.#schedule(now);
    this.#limit(now);
  }

  /** Whether an acknowledgement of TCP is held back, in place of the one before. */
  #mayWait(slot: number, flow: number, now: number): boolean {
    const roundTripMs = this.#fastest?.roundTripMs ?? 0;
    const replaced = this.#acks.take(flow, slot, roundTripMs, this.#queue.packets > 0, now);
    if (replaced === NO_SLOT) return false;
    if (replaced !== slot) this.#supersede(replaced);
    return true;
  }

  #supersede(slot: number): void {
    this.#slots.flags[slot] = SLOT_SUPERSEDED;
    this.#slots.release(slot);
    this.superseded++;
  }

  /** Hot. Bytes of payload of a TCP flow that no path was chosen for yet. */
  waitingPayload(hash: number): number {
    return this.#queue.payloadOf(FairQueue.flowOf(hash));
  }

  #limit(now: number): void {
    this.#queueLimit.note(this.#queue.bytes, now);
    const upRate = openRate(this.lanes, now);
    this.#queue.turnBytes = upRate * TURN_MS;
    const grace = this.#grace.bytes(this.#recovery, this.#queue.bytes, now);
    this.#waiting.update(upRate, this.#queue.flows, this.spreadMs, grace, now);
    const { standing, burst } = this.#waiting;
    const fastestMs = this.#fastest?.roundTripMs ?? 0;
    const waitsMs = this.#queue.bytes / upRate + this.spreadMs;
    const answerMs = Math.min(ANSWER_MS_MAX, waitsMs + fastestMs);
    while (this.#queueLimit.mustDrop(this.#queue.bytes, standing, burst, answerMs, now)) {
      const slot = this.#queue.dropFattest(this.#queue.bytes <= burst);
      if (slot === NO_SLOT) return;
      this.#modes.dropped(this.#slots.flow[slot]!, now);
      this.#slots.release(slot);
    }
  }

  /** Hot. Chooses paths for what waits, as far as paths have room. */
  #schedule(now: number): void {
    for (;;) {
      const slot = this.#queue.peek();
      if (slot === NO_SLOT) return;
      const flow = this.#slots.flow[slot]!;
      const waitedMs = now - this.#slots.arrivedAt[slot]!;
      // What TCP repeats is no more than it would send without.
      const isRepeated = (this.#slots.flags[slot]! & SLOT_TCP_REPEATED) !== 0;
      const length = isRepeated ? 0 : this.#slots.length[slot]!;
      const isSpread = this.#modes.mode(flow, waitedMs, now) === "spread";
      const isPlaced = isSpread ? this.#bindSpread(slot, now) : this.#bindSingle(slot, now);
      if (!isPlaced) {
        this.#blocked = slot;
        this.#blockedAt = now;
        return;
      }
      this.#batch.placed(waitedMs);
      const rate = this.#fastest?.capacity.estimate ?? Infinity;
      this.#modes.placed(flow, length, waitedMs, rate, now);
    }
  }

  #bindSingle(slot: number, now: number): boolean {
    const length = this.#slots.length[slot]!;
    const lane = fastestPriority(this.lanes, length, now);
    if (lane === null || lane.priorityStartAt(now) - now > AHEAD_MS) return false;
    this.#queue.take();
    const flow = this.#slots.flow[slot]!;
    this.#number(slot, this.#modes.wasSpread(flow, now) ? this.#plan.paths : 0);
    this.#pushPriority(lane, slot, SLOT_PRIORITY | SLOT_ORDERED | SLOT_RECOVERABLE);
    return true;
  }

  #bindSpread(slot: number, now: number): boolean {
    const plan = this.#plan;
    const length = this.#slots.length[slot]!;
    let lane = soonestSpread(this.lanes, length, plan, now);
    if (lane === null) return false;
    let earlyMs = Math.max(0, plan.holdMs - lane.lagMs);
    if (lane.bulkStartAt(now) > now + earlyMs + AHEAD_MS) {
      const backlogMs = this.#queue.bytes / openRate(this.lanes, now);
      lane = idleSpread(this.lanes, length, plan, backlogMs, AHEAD_MS, now);
      if (lane === null) return false;
      earlyMs = Math.max(0, plan.holdMs - lane.lagMs);
    }
    this.#queue.take();
    this.#number(slot, plan.paths);
    const flags = this.#slots.flags[slot]!;
    const isTcp = flags & SLOT_TCP;
    this.#slots.flags[slot] = SLOT_ORDERED | SLOT_RECOVERABLE | (flags & SLOT_TCP_REPEATED);
    if (isTcp !== 0 && this.#withhold(slot, now)) return true;
    lane.pushBulk(slot, now + earlyMs, now);
    return true;
  }

  #withhold(slot: number, now: number): boolean {
    const isData = this.#slots.length[slot]! >= DATA_BYTES_MIN;
    const isHeldBack = this.#modes.isHeldBack(this.#slots.flow[slot]!, UNQUEUED_MS, now);
    if (!isData || !isHeldBack || this.#fastest === null) return false;
    return this.#bursts.withhold(slot, this.#fastest.roundTripMs, this.#plan.holdMs, now);
  }

  /** What was withheld for long enough leaves at once. */
  #releaseWithheld(now: number): void {
    for (let slot = this.#bursts.take(now); slot !== NO_SLOT; slot = this.#bursts.take(now)) {
      const lane = fastestPriority(this.lanes, this.#slots.length[slot]!, now);
      if (lane === null) this.#slots.release(slot);
      else this.#pushPriority(lane, slot, SLOT_PRIORITY | SLOT_ORDERED | SLOT_RECOVERABLE);
    }
  }

  #number(slot: number, paths: number): void {
    const stream = this.#slots.flow[slot]! & (STREAMS_MAX - 1);
    this.#slots.stream[slot] = stream;
    this.#slots.sequence[slot] = this.#numbers.nextSequence(stream);
    this.#slots.order[slot] = this.#numbers.nextOrder();
    this.#slots.paths[slot] = paths;
  }

  #pushPriority(lane: PathLane, slot: number, flags: number): void {
    this.#slots.flags[slot] = flags | (this.#slots.flags[slot]! & SLOT_TCP_REPEATED);
    lane.priority.push(slot);
  }

  // Packets out

  /**
   * Hot. The slot of the packet that leaves now, on `departing`, or NO_SLOT. The caller writes the
   * record and calls `sent` with its counter.
   */
  poll(now: number): number {
    const slot = this.#depart(now);
    if (slot !== NO_SLOT || this.#queue.packets === 0) return slot;
    if (!this.#hasLeft && this.#blockedAt === now) return NO_SLOT;
    this.#hasLeft = false;
    this.#schedule(now);
    return this.#depart(now);
  }

  #depart(now: number): number {
    const batchMs = this.#batch.ms;
    for (let tried = 0; tried < this.lanes.length; tried++) {
      const lane = this.lanes[this.#turn++ % this.lanes.length]!;
      const slot = lane.depart(now, batchMs);
      if (slot === NO_SLOT) continue;
      this.departing = lane;
      // Records of one path leave together.
      this.#turn--;
      this.#hasLeft = true;
      return slot;
    }
    return NO_SLOT;
  }

  /** Hot. The packet that `poll` gave has left under `counter`. */
  sent(slot: number, epoch: number, counter: number, now: number): void {
    this.#recovery.sent(this.departing!, slot, epoch, counter, now);
  }

  /** A record of another kind has left: heartbeats and feedback use counters, too. */
  sentOther(lane: PathLane, epoch: number, counter: number, bytes: number, now: number): void {
    this.#recovery.sentOther(lane, epoch, counter, bytes, now);
  }

  // What comes back

  /** An acknowledgement of the peer's. One that cannot be true changes nothing, and is counted. */
  acknowledge(message: Acknowledgement, now: number): AcknowledgementFault | "unknown path" | null {
    this.#recovery.begin(now);
    const lane = this.lane(message.pathId);
    const fault = lane === null
      ? "unknown path"
      : lane.records.acknowledge(message, TOLERANCE_MS + lane.jitterMs / 4, now, this.#recovery);
    if (fault === "stale") return null;
    if (lane === null || fault !== null) {
      this.badAcknowledgements++;
      return fault;
    }
    this.#delayOrigin ??= message.delay;
    const delayMs = ((message.delay - this.#delayOrigin) | 0) / 1000;
    lane.acknowledged(message, delayMs, this.spreadMs, this.#overhead, now);
    this.#recovery.heard(lane);
    this.#measureLags();
    this.#schedule(now);
    return null;
  }

  #measureLags(): void {
    let least = Infinity;
    for (const lane of this.lanes) {
      if (!lane.isOpen || lane.delayMs >= least) continue;
      least = lane.delayMs;
      this.#fastest = lane;
    }
    for (const lane of this.lanes) {
      lane.lagMs = Number.isFinite(lane.delayMs) ? Math.max(0, lane.delayMs - least) : 0;
    }
    this.#plan.update(this.lanes);
  }

  // Time

  /** Hot. Whether `handleTimeout` has something to release or to give up now. */
  mustRelease(now: number): boolean {
    if (this.#bursts.releaseAt <= now || this.#acks.releaseAt <= now) return true;
    return this.#queue.packets > 0 && !this.hasPath;
  }

  /** Does what is due. */
  handleTimeout(now: number): void {
    if (this.#recovery.handleTimeout(now)) this.#measureLags();
    this.#releaseWithheld(now);
    for (let slot = this.#acks.release(now); slot !== NO_SLOT; slot = this.#acks.release(now)) {
      this.#enqueue(slot, now);
    }
    this.#schedule(now);
    if (this.#queue.packets === 0) return;
    if (!this.hasPath) return this.#strandAll();
    for (const lane of this.lanes) lane.noteDemand(now);
  }

  /** No path is left that what waits could hope for. */
  #strandAll(): void {
    for (let slot = this.#queue.take(); slot !== NO_SLOT; slot = this.#queue.take()) {
      this.#slots.release(slot);
    }
  }

  /** When `poll` or `handleTimeout` is to be called next. */
  nextTimeout(now: number): number {
    let next = Math.min(this.#bursts.releaseAt, this.#acks.releaseAt);
    for (const lane of this.lanes) {
      next = Math.min(next, lane.nextDepartureAt());
      if (lane.records.hasOutstanding) next = Math.min(next, now + 10);
    }
    if (this.#queue.packets > 0) next = Math.min(next, now + LOOK_MS);
    return next;
  }
}
