/**
 * One path as the scheduler sees it: what waits to leave on it, when the next record may, what it
 * carries, how late it delivers, and what it has not acknowledged. Of its queues `urgent` leaves
 * first, then `priority`. What is in `bulk` waits for release times, by which paths of different delay deliver together.
 */
import { US_PER_MS } from "../../wire/units.ts";
import { Capacity } from "../../path/capacity.ts";
import { BATCH_MS, Pacer } from "../../path/pacer.ts";
import { WindowedMinimum } from "../../path/windowed_minimum.ts";
import { SentRecords } from "../../path/sent_records.ts";
import type { Acknowledgement } from "../../wire/acknowledgement.ts";
import { ReleasedQueue } from "./released_queue.ts";
import { NO_SLOT, type PacketSlots, SlotQueue } from "./packet_slots.ts";

/** What a round trip is taken for until one was measured. */
const ROUND_TRIP_UNKNOWN_MS = 200;
const GAIN = 1 / 8;
const SAMPLE_RECORDS = 10;
const SAMPLE_MS_MAX = 600;
const DELAY_BUCKET_MS = 1000;
const DELAY_BUCKETS = 3;
/** A path that carries less is not used beside faster ones: bytes a millisecond, 2 Mbit/s. */
const USEFUL_RATE = 250;
/** It is tried again after so long, twice that the next time, and so on. */
const TRY_AGAIN_MS = 2000;
const TRY_AGAIN_MS_MAX = 32_000;
/** No less is said of it by what it carries besides packets. */
const UNUSED_MS = 500;

export interface LaneOptions {
  readonly id: number;
  /** Bytes a millisecond that the path was last known to carry. */
  readonly rate?: number;
  /** Bytes a millisecond that it is to carry at most. */
  readonly ceiling?: number;
}

/**
 * - `up`: takes packets.
 * - `suspect`: has been silent for too long; takes none.
 * - `down`: its link is gone, or it stayed silent.
 */
type LaneState = "up" | "suspect" | "down";

export class PathLane {
  readonly id: number;
  /** Bit of the path in the order extension. */
  readonly bit: number;
  /** What somebody waits for, and is little. */
  readonly urgent: SlotQueue;
  readonly priority: SlotQueue;
  readonly bulk: ReleasedQueue;
  readonly pacer = new Pacer();
  readonly records = new SentRecords();
  readonly capacity: Capacity;
  state: LaneState = "up";
  /** Whether the session takes the path out of use, whatever is heard of it. */
  isBarred = false;
  /** Whether it takes new packets only when no other path does. */
  isReserve = false;
  /** Whether packets leave as they come: nothing is known that they could fill. */
  isUnpaced = false;
  /** Packets sent on it again: those that were lost, and those of a path that fell silent or went. */
  retransmitted = 0;
  reinjected = 0;
  /** When the last thing was heard that acknowledges something. */
  heardAt = -Infinity;
  /** Since when something waits for an acknowledgement; Infinity when nothing does. */
  waitingSince = Infinity;
  /** When a packet last left. */
  sentAt = -Infinity;
  answers = 0;
  jitterMs = 0;
  /** Share of the records of the last sample that did not arrive. */
  loss = 0;
  /** Smoothed, in ms. */
  roundTripMs = ROUND_TRIP_UNKNOWN_MS;
  /** Least of the last while, beyond that of the fastest path. */
  lagMs = 0;
  /** Least delay beyond clocks, in ms; Infinity when nothing is known. */
  delayMs = Infinity;
  #neglectedSince = Infinity;
  #tryAgainMs = TRY_AGAIN_MS;
  readonly #slots: PacketSlots;
  #isMeasured = false;
  readonly #delays = new WindowedMinimum(DELAY_BUCKET_MS, DELAY_BUCKETS);
  readonly #mark = { received: 0, bytes: 0, highest: 0, echo: 0, arrivedUs: 0, at: -Infinity };
  #least = Infinity;

  constructor(slots: PacketSlots, options: LaneOptions) {
    this.id = options.id;
    this.bit = 1 << (options.id & 15);
    this.#slots = slots;
    this.urgent = new SlotQueue(slots);
    this.priority = new SlotQueue(slots);
    this.bulk = new ReleasedQueue(slots);
    this.capacity = new Capacity(options.rate ?? null, options.ceiling);
  }

  /** Hot. Whether new packets may be given to it. */
  get isOpen(): boolean {
    return this.state === "up" && !this.isReserve;
  }

  /** Hot. When a priority packet that comes now would begin to leave. */
  priorityStartAt(now: number): number {
    if (this.isUnpaced) return now;
    const bytes = this.urgent.bytes + this.priority.bytes;
    return now + this.pacer.debt(now) + bytes / this.capacity.rate(now);
  }

  /** Hot. When a bulk packet that comes now would begin to leave. */
  bulkStartAt(now: number): number {
    if (this.isUnpaced) return now;
    const bytes = this.waitingBytes;
    const free = now + this.pacer.debt(now) + bytes / this.capacity.rate(now);
    return Math.max(free, this.bulk.finishAt);
  }

  pushBulk(slot: number, releaseAt: number, now: number): void {
    const begins = Math.max(releaseAt, this.bulkStartAt(now));
    const takesMs = this.#slots.length[slot]! / this.capacity.rate(now);
    this.bulk.push(slot, releaseAt, begins + takesMs);
  }

  get waitingPackets(): number {
    return this.urgent.packets + this.priority.packets + this.bulk.queue.packets;
  }

  get waitingBytes(): number {
    return this.urgent.bytes + this.priority.bytes + this.bulk.queue.bytes;
  }

  /**
   * Hot. The slot that may leave now, which is taken out, or NO_SLOT.
   * @param batchMs what is due within so much leaves together.
   */
  depart(now: number, batchMs = BATCH_MS): number {
    if (this.state === "down") return NO_SLOT;
    if (!this.isUnpaced && !this.pacer.mayDepart(now, batchMs)) return NO_SLOT;
    if (this.urgent.head !== NO_SLOT) return this.urgent.shift();
    if (this.priority.head !== NO_SLOT) return this.priority.shift();
    return this.isUnpaced || this.bulk.releaseAt <= now + batchMs ? this.bulk.shift() : NO_SLOT;
  }

  /** Takes out what waits and is not urgent, one after the other, whether it may leave or not. */
  takeBack(): number {
    const slot = this.priority.shift();
    return slot === NO_SLOT ? this.bulk.shift() : slot;
  }

  /** When `depart` has something next; Infinity when nothing waits. */
  nextDepartureAt(): number {
    if (this.state === "down") return Infinity;
    if (this.isUnpaced && this.waitingPackets > 0) return -Infinity;
    const isHeld = this.urgent.head === NO_SLOT && this.priority.head === NO_SLOT;
    if (!isHeld) return this.pacer.nextAt;
    return Math.max(this.pacer.nextAt, this.bulk.releaseAt);
  }

  departed(bytes: number, now: number): void {
    if (!this.isUnpaced) this.pacer.departed(bytes, this.capacity.rate(now), now);
  }

  /** Whether packets leave at the pace of the path, or as they come. */
  pace(isPaced: boolean): void {
    this.isUnpaced = !isPaced;
    this.pacer.forget();
  }

  /**
   * Packets wait. A path that once carried too little to be given any would never be seen to carry
   * more.
   */
  noteDemand(now: number): void {
    if (this.capacity.estimate >= 2 * USEFUL_RATE) this.#tryAgainMs = TRY_AGAIN_MS;
    const isNeglected = this.isOpen && this.capacity.estimate < USEFUL_RATE &&
      now - this.sentAt >= UNUSED_MS;
    if (!isNeglected) {
      this.#neglectedSince = Infinity;
      return;
    }
    this.#neglectedSince = Math.min(this.#neglectedSince, now);
    if (now - this.#neglectedSince < this.#tryAgainMs) return;
    this.#neglectedSince = Infinity;
    this.#tryAgainMs = Math.min(TRY_AGAIN_MS_MAX, 2 * this.#tryAgainMs);
    this.capacity.trust(USEFUL_RATE);
  }

  /** What has left wants an acknowledgement. */
  expectAcknowledgement(now: number): void {
    if (this.waitingSince === Infinity) this.waitingSince = now;
  }

  /**
   * An acknowledgement that was found true.
   * @param delayMs its delay, relative to one origin for all paths.
   * @param detourMs how much longer it may have taken, because it came on another path.
   */
  acknowledged(
    message: Acknowledgement,
    delayMs: number,
    detourMs: number,
    overhead: number,
    now: number,
  ): void {
    this.heardAt = now;
    this.jitterMs = message.jitter / US_PER_MS;
    const { roundTripMs } = this.records;
    // Silence begins with the last record that arrived, not with the news of it.
    const late = Math.min(detourMs, Math.max(0, roundTripMs - this.roundTripMs));
    this.waitingSince = this.records.hasOutstanding
      ? now - message.hold / US_PER_MS - late
      : Infinity;
    this.roundTripMs = this.#isMeasured
      ? this.roundTripMs + GAIN * (roundTripMs - this.roundTripMs)
      : roundTripMs;
    this.#isMeasured = true;
    this.#least = Math.min(this.#least, delayMs);
    const mark = this.#mark;
    const interval = Capacity.intervalMs(this.roundTripMs, this.jitterMs);
    const isEnough = ((message.received - mark.received) | 0) >= SAMPLE_RECORDS ||
      now - mark.at >= SAMPLE_MS_MAX;
    if (isEnough && now - mark.at >= interval) this.#sample(message, overhead, interval, now);
  }

  #sample(message: Acknowledgement, overhead: number, intervalMs: number, now: number): void {
    const mark = this.#mark;
    const arrivedUs = (message.clock - message.hold) | 0;
    const records = (message.received - mark.received) | 0;
    const expected = Math.max(1, message.highest - mark.highest);
    // The peer counts from the start, too, when it has made the path anew.
    const isFirst = mark.at === -Infinity || records < 0;
    const { jitterMs } = this;
    this.loss = isFirst ? 0 : Math.min(1, Math.max(0, 1 - records / expected));
    this.capacity.update(
      {
        records: isFirst ? 0 : records,
        bytes: Math.max(0, ((message.bytes - mark.bytes) | 0) + overhead * records),
        sentMs: ((message.echo - mark.echo) | 0) / US_PER_MS,
        arrivedMs: ((arrivedUs - mark.arrivedUs) | 0) / US_PER_MS,
        loss: this.loss,
        delayMs: this.#least,
        jitterMs,
      },
      intervalMs,
      now,
    );
    this.#delays.add(this.#least, now);
    this.delayMs = this.#delays.least(now) + this.capacity.queueMs;
    this.#least = Infinity;
    mark.at = now;
    mark.received = message.received;
    mark.bytes = message.bytes;
    mark.highest = message.highest;
    mark.echo = message.echo;
    mark.arrivedUs = arrivedUs;
  }
}
