/**
 * What is sent again: packets that got lost, those of a path that fell silent or is gone, and the
 * last ones of a burst, which have none behind them that would prove them lost. All go first on the
 * path on which they arrive soonest, under a new counter. Loss may take a tenth of what is sent, so
 * that a path that loses much does not fill the others with repetitions.
 */
import { NO_PACKET, NOT_KEPT, type SentRecordsOwner } from "../../path/sent_records.ts";
import { fastestPriority, openReserve } from "./lane_choice.ts";
import type { PathLane } from "./path_lane.ts";
import {
  NO_SLOT,
  type PacketSlots,
  SLOT_RECOVERABLE,
  SLOT_REPEATED,
  SLOT_TCP_REPEATED,
} from "./packet_slots.ts";

/** Silence that makes a path suspect, beyond round trip and jitter. */
const SILENT_MS = 60;
const SILENT_JITTERS = 4;
const DOWN_AFTER_SILENCES = 3;
/** A path that was down is up again after so many acknowledgements. */
const ANSWERS_MIN = 3;
const TAIL_MS = 25;
const TAIL_JITTERS = 2;
const TAIL_PACKETS = 4;
/** What is older is of no use to anybody, and its sender has sent it again. */
const AGE_MS_MAX = 1000;
/** Share of what is sent that may be sent again, but for paths that are silent. */
const REPEAT_SHARE = 0.1;
const REPEAT_BYTES_MAX = 150_000;

export class Recovery implements SentRecordsOwner {
  retransmitted = 0;
  reinjected = 0;
  /** When a path last lost what it had to others, and what all paths had then, in bytes. */
  gaveBackAt = -Infinity;
  gaveBackBytes = 0;
  readonly #lanes: readonly PathLane[];
  readonly #slots: PacketSlots;
  #credit = REPEAT_BYTES_MAX;
  /** What a path gives back, while it does; null at other times. */
  #returned: number[] | null = null;
  #now = 0;

  constructor(lanes: readonly PathLane[], slots: PacketSlots) {
    this.#lanes = lanes;
    this.#slots = slots;
  }

  /** To be called before records are given an acknowledgement, with this as their owner. */
  begin(now: number): void {
    this.#now = now;
  }

  /** Hot. A packet leaves on `lane`. */
  sent(lane: PathLane, slot: number, epoch: number, counter: number, now: number): void {
    const length = this.#slots.length[slot]!;
    lane.departed(length, now);
    lane.expectAcknowledgement(now);
    lane.sentAt = now;
    this.#credit = Math.min(REPEAT_BYTES_MAX, this.#credit + REPEAT_SHARE * length);
    lane.records.record(epoch, counter, slot, length, now, this);
  }

  /** Hot. A packet leaves that nobody keeps. */
  sentThrough(lane: PathLane, epoch: number, counter: number, bytes: number, now: number): void {
    lane.expectAcknowledgement(now);
    lane.sentAt = now;
    lane.records.record(epoch, counter, NOT_KEPT, bytes, now, this);
  }

  /** A record of another kind leaves: it uses a counter, too. */
  sentOther(lane: PathLane, epoch: number, counter: number, bytes: number, now: number): void {
    lane.departed(bytes, now);
    lane.records.record(epoch, counter, NO_PACKET, bytes, now, this);
  }

  arrived(slot: number): void {
    this.#slots.release(slot);
  }

  expired(slot: number): void {
    this.#slots.release(slot);
  }

  lost(slot: number): void {
    if (this.#returned !== null) {
      this.#returned.push(slot);
      return;
    }
    const length = this.#slots.length[slot]!;
    const mayRepeat = this.#isWorthwhile(slot) && this.#credit >= length;
    const lane = mayRepeat ? fastestPriority(this.#lanes, length, this.#now) : null;
    if (lane === null) return this.#slots.release(slot);
    this.#credit -= length;
    this.retransmitted++;
    lane.retransmitted++;
    this.#repeat(lane, slot);
  }

  #isWorthwhile(slot: number): boolean {
    return (this.#slots.flags[slot]! & SLOT_RECOVERABLE) !== 0 &&
      this.#now - this.#slots.arrivedAt[slot]! < AGE_MS_MAX;
  }

  #repeat(lane: PathLane, slot: number): void {
    this.#slots.flags[slot]! |= SLOT_REPEATED;
    lane.priority.push(slot);
  }

  /** The link of `lane` is gone: what it had goes to the others at once. */
  linkFailed(lane: PathLane, now: number): void {
    lane.state = "down";
    lane.answers = 0;
    this.#giveBack(lane, now);
  }

  /**
   * What a path has, sent and unsent, goes to the others: first what came first, which is not what was
   * sent first, as the path may have been sent some of it twice. The receiver waits for it.
   */
  #giveBack(lane: PathLane, now: number): void {
    this.#now = this.gaveBackAt = now;
    this.gaveBackBytes = heldBytes(this.#lanes);
    openReserve(this.#lanes);
    for (let slot = lane.urgent.shift(); slot !== NO_SLOT; slot = lane.urgent.shift()) {
      const other = fastestPriority(this.#lanes, this.#slots.length[slot]!, now);
      if (other === null) this.#slots.release(slot);
      else other.urgent.push(slot);
    }
    const returned: number[] = this.#returned = [];
    lane.records.loseAll(this);
    this.#returned = null;
    const sent = new Set(returned);
    takeBack(lane, returned);
    // What waits on the others would wait behind all of it.
    if (returned.length > 0) { for (const other of this.#lanes) takeBack(other, returned); }
    this.#sort(returned);
    for (const slot of returned) this.#reinject(slot, sent.has(slot));
    lane.waitingSince = Infinity;
  }

  /** By their time of arrival, but first what a flow has up to a packet that TCP repeats. */
  #sort(slots: number[]): void {
    const { arrivedAt, flags, flow } = this.#slots;
    const waitedFor = new Map<number, number>();
    for (const slot of slots) {
      if ((flags[slot]! & SLOT_TCP_REPEATED) === 0) continue;
      const before = waitedFor.get(flow[slot]!) ?? -Infinity;
      waitedFor.set(flow[slot]!, Math.max(before, arrivedAt[slot]!));
    }
    const rank = (slot: number) => arrivedAt[slot]! <= (waitedFor.get(flow[slot]!) ?? -1) ? 0 : 1;
    slots.sort((one, other) => rank(one) - rank(other) || arrivedAt[one]! - arrivedAt[other]!);
  }

  #reinject(slot: number, wasSent: boolean): void {
    const mayGo = !wasSent || this.#isWorthwhile(slot);
    const length = this.#slots.length[slot]!;
    const lane = mayGo ? fastestPriority(this.#lanes, length, this.#now) : null;
    if (lane === null) return this.#slots.release(slot);
    if (wasSent) {
      this.reinjected++;
      lane.reinjected++;
    }
    this.#repeat(lane, slot);
  }

  /** Something true was heard of `lane`. */
  heard(lane: PathLane): void {
    if (lane.state === "up" || lane.isBarred) return;
    const needed = lane.state === "suspect" ? 1 : ANSWERS_MIN;
    if (++lane.answers >= needed) lane.state = "up";
  }

  /** Judges the silence of each path. Returns whether one changed its state. */
  handleTimeout(now: number): boolean {
    this.#now = now;
    let hasChanged = false;
    for (const lane of this.#lanes) {
      lane.records.expire(now, this);
      const silence = SILENT_MS + lane.roundTripMs + SILENT_JITTERS * lane.jitterMs;
      const before = lane.state;
      if (lane.state === "up" && now - lane.waitingSince >= silence && this.#hasOther(lane)) {
        lane.state = "suspect";
        lane.answers = 0;
        this.#giveBack(lane, now);
      } else if (lane.state === "suspect" && now - lane.heardAt > DOWN_AFTER_SILENCES * silence) {
        lane.state = "down";
        lane.answers = 0;
      }
      if (lane.state !== before) hasChanged = true;
      this.#repeatTail(lane, now);
    }
    return hasChanged;
  }

  /** The last path stays in use, however silent: there is nothing better. */
  #hasOther(lane: PathLane): boolean {
    for (const other of this.#lanes) if (other !== lane && other.state === "up") return true;
    return false;
  }

  #repeatTail(lane: PathLane, now: number): void {
    if (lane.waitingPackets > 0 || !lane.records.hasOutstanding) return;
    const due = lane.sentAt + lane.roundTripMs + TAIL_JITTERS * lane.jitterMs + TAIL_MS;
    if (now >= due) lane.records.loseAll(this, TAIL_PACKETS);
  }
}

/** Moves what waits on a lane, whether it may leave or not, to `slots`. */
function takeBack(lane: PathLane, slots: number[]): void {
  for (let slot = lane.takeBack(); slot !== NO_SLOT; slot = lane.takeBack()) slots.push(slot);
}

/** Bytes that wait on all lanes, or were sent and are not acknowledged. */
function heldBytes(lanes: readonly PathLane[]): number {
  let bytes = 0;
  for (const { waitingBytes, records } of lanes) bytes += waitingBytes + records.bytesInFlight;
  return bytes;
}
