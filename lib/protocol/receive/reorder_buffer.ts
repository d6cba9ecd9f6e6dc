/**
 * Puts packets back in sequence. Holds at most `capacity` - 1 packets, and none longer than
 * `flushTimeoutMs` after its own arrival, however many gaps lie before it: then the gaps count as
 * lost. It has no clock and no memory for packets: the caller passes `now` (ms, any origin, never
 * backwards), keeps `capacity` packet buffers, and copies a packet where `offer` says.
 *
 * For each packet: offer(), act on the answer, then take() until EMPTY. A slot that take() returned
 * belongs to the caller until the next offer(). When nothing arrives, take() at `nextDeadline()`.
 *
 * Sequences are u32 and compared as serial numbers (RFC 1982), so they may wrap. 0 means "not
 * sequenced" on the wire: a packet with it is delivered at once and changes nothing, and the place
 * of 0 after 0xffffffff is passed over, so it makes no gap whether the sender spends or skips it.
 */

import { NO_SLOT, SlotSet } from "./slot_set.ts";

/** It is the next one: deliver it, then drain take(). */
export const DELIVER_NOW = -1;
/** Its place has been passed: delivered before, or given up as lost. */
export const LATE = -2;
/** It is being held already. */
export const DUPLICATE = -3;
/** Too far ahead to hold: call skipGap(), drain take(), and offer it again. */
export const OVERFLOW = -4;
/** take(): nothing can be delivered in order at this time. */
export const EMPTY = -5;

/** The largest `capacity`. */
export const REORDER_CAPACITY_MAX = 65_536;

const HALF_RANGE = 0x80000000;
const SEQUENCE_MAX = 0xffffffff;
const NONE = -1;

export interface ReorderOptions {
  /** Sequences from the next expected one on that can be told apart: 1 to REORDER_CAPACITY_MAX. */
  readonly capacity: number;
  /** The longest a packet waits for those before it, 0 or more. */
  readonly flushTimeoutMs: number;
  /** The first sequence expected, 1 to 0xffffffff; 1 unless told. */
  readonly firstSequence?: number;
}

export interface ReorderCounters {
  /** Packets that had to be held. */
  bufferedEvents: number;
  /** Packets that came after one with a higher sequence and still found their place. */
  reorderedEvents: number;
  /** Packets refused as LATE or DUPLICATE. */
  drops: number;
  /** Gaps given up, for age or for lack of room. */
  flushes: number;
  /** The most packets held at one time. */
  maxDepth: number;
}

export class ReorderBuffer {
  readonly counters: ReorderCounters = {
    bufferedEvents: 0,
    reorderedEvents: 0,
    drops: 0,
    flushes: 0,
    maxDepth: 0,
  };

  readonly #capacity: number;
  readonly #flushTimeoutMs: number;

  /** The next sequence to deliver, never 0, and the slot that is its place. */
  #next: number;
  #head = 0;
  #highest: number;
  #overflowed = 0;

  readonly #held: SlotSet;
  readonly #isEmpty: Uint8Array;
  #depth = 0;

  /** The held slots in order of arrival: a list through `#older` and `#newer`. */
  readonly #arrivedAt: Float64Array;
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  #oldest = NONE;
  #newest = NONE;

  /** Throws RangeError for an option out of its range. */
  constructor(options: ReorderOptions) {
    const { capacity, flushTimeoutMs, firstSequence = 1 } = options;
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > REORDER_CAPACITY_MAX) {
      throw new RangeError(
        `Cannot reorder: use a capacity of 1 to ${REORDER_CAPACITY_MAX} packets`,
      );
    }
    if (!(flushTimeoutMs >= 0 && flushTimeoutMs < Infinity)) {
      throw new RangeError("Cannot reorder: use a flush timeout of 0 ms or more");
    }
    if (firstSequence >>> 0 !== firstSequence || firstSequence === 0) {
      throw new RangeError(`Cannot reorder: use a first sequence of 1 to ${SEQUENCE_MAX}`);
    }
    this.#capacity = capacity;
    this.#flushTimeoutMs = flushTimeoutMs;
    this.#next = firstSequence;
    this.#highest = (firstSequence - 1) >>> 0;
    this.#held = new SlotSet(capacity);
    this.#isEmpty = new Uint8Array(capacity);
    this.#arrivedAt = new Float64Array(capacity);
    this.#older = new Int32Array(capacity);
    this.#newer = new Int32Array(capacity);
  }

  /** Packets held. */
  get depth(): number {
    return this.#depth;
  }

  /**
   * A packet with this sequence (u32) arrived. Answers a slot, 0 to capacity - 1, to copy it to, or
   * DELIVER_NOW, LATE, DUPLICATE, OVERFLOW.
   */
  offer(sequence: number, now: number): number {
    if (sequence === 0) return DELIVER_NOW;
    const distance = (sequence - this.#next) >>> 0;
    if (distance >= HALF_RANGE) {
      this.counters.drops++;
      return LATE;
    }
    if (distance >= this.#capacity) {
      this.#overflowed = sequence;
      return OVERFLOW;
    }
    const slot = this.#slotAt(distance);
    if (this.#held.has(slot)) {
      this.counters.drops++;
      return DUPLICATE;
    }
    this.#overflowed = 0;
    if ((sequence - this.#highest) >>> 0 < HALF_RANGE) this.#highest = sequence;
    else this.counters.reorderedEvents++;
    if (distance === 0) {
      this.#advanceTo(sequence, 1);
      return DELIVER_NOW;
    }
    this.#hold(slot, now);
    return slot;
  }

  /**
   * The slot whose packet is next in order, or EMPTY. Gives up the gaps before a packet that has
   * waited its time at `now`; take(Infinity) thus releases everything.
   */
  take(now: number): number {
    for (;;) {
      while (this.#held.has(this.#head)) {
        const slot = this.#head;
        this.#release(slot);
        this.#advanceTo(this.#next, 1);
        if (this.#isEmpty[slot] === 0) return slot;
      }
      if (this.#depth === 0 || this.nextDeadline() > now) return EMPTY;
      this.skipGap();
    }
  }

  /**
   * Gives up the gap before the first packet held, or when none is held the one before the packet
   * that was answered OVERFLOW last. Does nothing where there is no gap.
   */
  skipGap(): void {
    if (this.#held.has(this.#head)) return;
    if (this.#depth > 0) {
      const first = this.#firstHeld();
      const distance = first >= this.#head
        ? first - this.#head
        : first - this.#head + this.#capacity;
      this.#advanceTo(this.#next, distance);
      this.counters.flushes++;
    } else if (this.#overflowed !== 0) {
      this.#advanceTo(this.#overflowed, 0);
      this.#overflowed = 0;
      this.counters.flushes++;
    }
  }

  /**
   * What was held in `slot` (answered by offer() just now) spends its sequence but is not
   * delivered.
   */
  markEmpty(slot: number): void {
    this.#isEmpty[slot] = 1;
  }

  /**
   * When take() must be called at the latest, given that it has been drained; Infinity: nothing
   * held.
   */
  nextDeadline(): number {
    return this.#oldest === NONE ? Infinity : this.#arrivedAt[this.#oldest]! + this.#flushTimeoutMs;
  }

  /** Expects `sequence + distance` next; the ring turns by `distance`. 0 is passed over. */
  #advanceTo(sequence: number, distance: number): void {
    this.#head = this.#slotAt(distance);
    this.#next = (sequence + distance) >>> 0;
    if (this.#next !== 0) return;
    this.#next = 1;
    this.#head = this.#slotAt(1);
  }

  /** The slot `distance` places after the head, 0 to capacity. */
  #slotAt(distance: number): number {
    const slot = this.#head + distance;
    return slot < this.#capacity ? slot : slot - this.#capacity;
  }

  #firstHeld(): number {
    const slot = this.#held.nextFrom(this.#head);
    return slot === NO_SLOT ? this.#held.nextFrom(0) : slot;
  }

  #hold(slot: number, now: number): void {
    this.#held.add(slot);
    this.#isEmpty[slot] = 0;
    this.#arrivedAt[slot] = now;
    this.#older[slot] = this.#newest;
    this.#newer[slot] = NONE;
    if (this.#newest === NONE) this.#oldest = slot;
    else this.#newer[this.#newest] = slot;
    this.#newest = slot;
    this.#depth++;
    this.counters.bufferedEvents++;
    if (this.#depth > this.counters.maxDepth) this.counters.maxDepth = this.#depth;
  }

  #release(slot: number): void {
    const older = this.#older[slot]!;
    const newer = this.#newer[slot]!;
    if (older === NONE) this.#oldest = newer;
    else this.#newer[older] = newer;
    if (newer === NONE) this.#newest = older;
    else this.#older[newer] = older;
    this.#held.delete(slot);
    this.#depth--;
  }
}
