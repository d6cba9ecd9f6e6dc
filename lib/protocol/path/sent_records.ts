/**
 * Records sent on one path and not acknowledged yet, so that their packets can be retransmitted. It
 * keeps the last {@link RECORDS_MAX} counters, none for longer than {@link KEPT_MS}. It holds slot
 * numbers, and tells the owner of the packets which ones arrived, were lost, or expired.
 */
import { US_PER_MS } from "../wire/units.ts";
import type { Acknowledgement } from "../wire/acknowledgement.ts";

export const RECORDS_MAX = 4096;
/** Room at first, a power of two, as are those that follow: many paths never have more on the way. */
const RECORDS_MIN = 64;
const KEPT_MS = 300;
/** A record is lost when so many behind it have arrived. */
const REORDERING_RECORDS = 3;
/** What may have been on its way when counting began. */
const EARLIER_RECORDS = 64;
const EARLIER_BYTES = 65_536;
/** A record of another kind than packets: it is never sent again. */
export const NO_PACKET = -1;
/** A packet that nobody keeps: its arrival matters, but it is never sent again. */
export const NOT_KEPT = -2;
const ROUND_TRIP_MS_MAX = 60_000;

/** Gets each slot that was recorded back, once. */
export interface SentRecordsOwner {
  arrived(slot: number): void;
  lost(slot: number): void;
  /** Nothing is known, and nothing will be. */
  expired(slot: number): void;
}

/** Why an acknowledgement cannot be true. */
export type AcknowledgementFault = "never sent" | "backwards" | "impossible time";
/** Overtaken, or of a past key or path: correct, but without news. */
type Stale = "stale";

export class SentRecords {
  /** Bytes of packets that nothing is known of. */
  bytesInFlight = 0;
  /** Of the record that was sent first among those that nothing is known of; Infinity without. */
  roundTripMs = Infinity;
  /** When the record with the highest counter that arrived was sent. */
  newestArrivedSentAt = -Infinity;
  #mask = RECORDS_MIN - 1;
  #slot = new Int32Array(RECORDS_MIN).fill(NO_PACKET);
  #counter = new Float64Array(RECORDS_MIN);
  #bytes = new Uint32Array(RECORDS_MIN);
  #sentAt = new Float64Array(RECORDS_MIN);
  #epoch = -1;
  /** Below, everything is settled. */
  #oldest = 1;
  #next = 1;
  #acknowledged = 0;
  /** As the peer counts, modulo 2^32. */
  #received = 0;
  #receivedBytes = 0;
  /** Of all keys: no more can have arrived. */
  #sent = 0;
  #sentBytes = 0;
  #isFirst = true;
  /** The highest counter when the peer began to count anew: what tells of less is of the path before. */
  #anewFrom = 0;
  #believed = 0;
  #believedBytes = 0;
  /** The highest counter of a packet that nobody keeps; 0: there is none. */
  #notKept = 0;

  /** Counters of the present epoch that were used: an acknowledgement speaks of no others. */
  get highest(): number {
    return this.#next - 1;
  }

  get hasOutstanding(): boolean {
    return this.bytesInFlight > 0 || this.#notKept > this.#acknowledged;
  }

  /**
   * Hot. A record leaves.
   * @param epoch low 8 bits of the key's.
   * @param slot or {@link NO_PACKET}, or {@link NOT_KEPT}.
   */
  record(
    epoch: number,
    counter: number,
    slot: number,
    bytes: number,
    now: number,
    owner: SentRecordsOwner,
  ): void {
    if (epoch !== this.#epoch) this.#turn(epoch, counter, owner);
    if (counter - this.#oldest > this.#mask) this.#makeRoomFor(counter);
    const index = counter & this.#mask;
    if (this.#slot[index] !== NO_PACKET) owner.expired(this.#forget(index));
    const isKept = slot >= 0;
    if (slot === NOT_KEPT) this.#notKept = counter;
    this.#counter[index] = counter;
    this.#slot[index] = isKept ? slot : NO_PACKET;
    this.#sentAt[index] = now;
    this.#bytes[index] = isKept ? bytes : 0;
    if (isKept) this.bytesInFlight += bytes;
    this.#sent++;
    this.#sentBytes += bytes;
    this.#next = counter + 1;
    if (this.#oldest < this.#next - RECORDS_MAX) this.#oldest = this.#next - RECORDS_MAX;
  }

  #makeRoomFor(counter: number): void {
    let room = this.#mask + 1;
    while (room < RECORDS_MAX && counter - this.#oldest >= room) room *= 2;
    if (room === this.#mask + 1) return;
    const slots = new Int32Array(room).fill(NO_PACKET);
    const counters = new Float64Array(room);
    const bytes = new Uint32Array(room);
    const sentAt = new Float64Array(room);
    for (let index = 0; index <= this.#mask; index++) {
      const place = this.#counter[index]! & (room - 1);
      slots[place] = this.#slot[index]!;
      counters[place] = this.#counter[index]!;
      bytes[place] = this.#bytes[index]!;
      sentAt[place] = this.#sentAt[index]!;
    }
    this.#mask = room - 1;
    this.#slot = slots;
    this.#counter = counters;
    this.#bytes = bytes;
    this.#sentAt = sentAt;
  }

  #turn(epoch: number, counter: number, owner: SentRecordsOwner): void {
    this.expireAll(owner);
    this.#epoch = epoch;
    this.#oldest = this.#next = counter;
    this.#acknowledged = this.#anewFrom = this.#notKept = 0;
  }

  #forget(index: number): number {
    const slot = this.#slot[index]!;
    this.#slot[index] = NO_PACKET;
    this.bytesInFlight -= this.#bytes[index]!;
    return slot;
  }

  /**
   * Takes an acknowledgement in. One that cannot be true changes nothing.
   * @param toleranceMs a record is lost, too, when one sent so much later has arrived.
   * @returns what is wrong with it, or null.
   */
  acknowledge(
    message: Acknowledgement,
    toleranceMs: number,
    now: number,
    owner: SentRecordsOwner,
  ): AcknowledgementFault | Stale | null {
    if (message.epoch !== this.#epoch) return this.#ofOtherEpoch(message);
    if (message.highest > this.highest) return "never sent";
    if (message.highest < this.#anewFrom) return "stale";
    const received = (message.received - this.#received) | 0;
    const isAnew = this.#isFirst || received < 0 && this.#countsAnew(message);
    if (!isAnew && (received < 0 || message.highest < this.#acknowledged)) {
      return received <= 0 && message.highest <= this.#acknowledged ? "stale" : "backwards";
    }
    const roundTrip = (((Math.round(now * US_PER_MS) - message.echo - message.hold) | 0) >>> 0) /
      US_PER_MS;
    if (roundTrip > ROUND_TRIP_MS_MAX) return "impossible time";
    if (isAnew) {
      if (!this.#isFirst) this.#anewFrom = message.highest;
      this.roundTripMs = roundTrip;
      return this.#begin(message, toleranceMs, owner);
    }
    if (received === 0) return "stale";
    const bytes = (message.bytes - this.#receivedBytes) | 0;
    if (bytes < 0) return "backwards";
    const isMore = this.#believed + received > this.#sent + EARLIER_RECORDS ||
      this.#believedBytes + bytes > this.#sentBytes + EARLIER_BYTES;
    if (isMore) return "never sent";
    this.roundTripMs = roundTrip;
    this.#believed += received;
    this.#believedBytes += bytes;
    this.#receivedBytes = message.bytes;
    this.#received = message.received;
    this.#acknowledged = message.highest;
    this.#settle(message, toleranceMs, owner);
    return null;
  }

  /** Whether the peer has made the path anew: counters go on, and its counts begin again. */
  #countsAnew({ highest, received, bytes }: Acknowledgement): boolean {
    return highest > this.#acknowledged && received <= this.#sent + EARLIER_RECORDS &&
      bytes <= this.#sentBytes + EARLIER_BYTES;
  }

  /**
   * The peer counts since it has the path, this side since it uses it: counts begin here. Nothing that
   * was received before is believed for it.
   */
  #begin(message: Acknowledgement, toleranceMs: number, owner: SentRecordsOwner): null {
    this.#isFirst = false;
    this.#received = message.received;
    this.#receivedBytes = message.bytes;
    this.#acknowledged = message.highest;
    this.#settle(message, toleranceMs, owner);
    return null;
  }

  /** Of the epoch before, it comes too late to mean anything. */
  #ofOtherEpoch(message: Acknowledgement): AcknowledgementFault | Stale | null {
    if (this.#epoch === -1) return "stale";
    return ((this.#epoch - message.epoch) & 0xff) <= 127 ? "stale" : "never sent";
  }

  #settle(message: Acknowledgement, toleranceMs: number, owner: SentRecordsOwner): void {
    const newest = message.highest & this.#mask;
    if (this.#counter[newest] === message.highest) {
      this.newestArrivedSentAt = Math.max(this.newestArrivedSentAt, this.#sentAt[newest]!);
    }
    let gap = 0;
    let oldest = -1;
    for (let counter = this.#oldest; counter <= message.highest; counter++) {
      while (gap < message.gaps && counter >= message.gapStart[gap]! + message.gapLength[gap]!) {
        gap++;
      }
      const index = counter & this.#mask;
      if (this.#slot[index] === NO_PACKET || this.#counter[index] !== counter) continue;
      const isMissing = gap < message.gaps && counter >= message.gapStart[gap]!;
      if (counter < message.from) {
        if (oldest === -1) oldest = counter;
      } else if (!isMissing) {
        owner.arrived(this.#forget(index));
      } else if (
        message.highest - counter >= REORDERING_RECORDS ||
        this.newestArrivedSentAt - this.#sentAt[index]! >= toleranceMs
      ) {
        owner.lost(this.#forget(index));
      } else if (oldest === -1) {
        oldest = counter;
      }
    }
    this.#oldest = oldest === -1 ? Math.max(this.#oldest, message.highest + 1) : oldest;
  }

  /** Gives back what was sent too long ago. */
  expire(now: number, owner: SentRecordsOwner): void {
    for (; this.#oldest < this.#next; this.#oldest++) {
      const index = this.#oldest & this.#mask;
      if (this.#slot[index] === NO_PACKET || this.#counter[index] !== this.#oldest) continue;
      if (now - this.#sentAt[index]! < KEPT_MS) return;
      owner.expired(this.#forget(index));
    }
  }

  /** The path is silent: what nothing is known of counts as lost, `countMax` records at most. */
  loseAll(owner: SentRecordsOwner, countMax = Infinity): number {
    let count = 0;
    if (countMax === Infinity) this.#notKept = 0;
    for (; this.#oldest < this.#next && count < countMax; this.#oldest++) {
      const index = this.#oldest & this.#mask;
      if (this.#slot[index] === NO_PACKET || this.#counter[index] !== this.#oldest) continue;
      owner.lost(this.#forget(index));
      count++;
    }
    return count;
  }

  /** The path is gone. */
  expireAll(owner: SentRecordsOwner): void {
    for (let index = 0; index <= this.#mask; index++) {
      if (this.#slot[index] !== NO_PACKET) owner.expired(this.#forget(index));
    }
    this.#oldest = this.#next;
    this.#notKept = 0;
  }
}
