/**
 * What the scheduler knows of each packet it holds, by slot number; the bytes are the engine's, in a
 * store of as many slots. A slot is in one place at a time: in a queue, or in the records of a
 * path that may have to send it again.
 */

export const NO_SLOT = -1;

/** In {@link PacketSlots.flags}. */
export const SLOT_ORDERED = 1;
export const SLOT_RECOVERABLE = 2;
export const SLOT_REPEATED = 4;
/** Leaves before bulk. */
export const SLOT_PRIORITY = 8;
/** The TCP sender in the tunnel repeats it. */
export const SLOT_TCP_REPEATED = 16;
/** It is of TCP. */
export const SLOT_TCP = 32;
/** A newer acknowledgement says all that it would have said, or what it repeats waits here yet. */
export const SLOT_SUPERSEDED = 64;

export class PacketSlots {
  readonly capacity: number;
  /** Bytes on the wire. */
  readonly length: Uint16Array;
  /** Bytes of payload, of TCP. */
  readonly payload: Uint16Array;
  readonly flow: Uint16Array;
  readonly flags: Uint8Array;
  readonly stream: Uint16Array;
  readonly sequence: Uint32Array;
  readonly order: Uint32Array;
  readonly paths: Uint16Array;
  /** When it came, and from when on it may leave. */
  readonly arrivedAt: Float64Array;
  readonly releaseAt: Float64Array;
  readonly next: Int32Array;
  readonly #isTaken: Uint8Array;
  readonly #isOwn: boolean;
  /** Of a caller that numbers slots itself: those that are free again, until it is told. */
  readonly #released: number[] = [];
  #free = 0;
  #freeCount: number;

  /** @param numbering who chooses the slot of a packet: `take` or the caller of `adopt`. */
  constructor(capacity: number, numbering: "own" | "numbered by the caller" = "own") {
    this.#isOwn = numbering === "own";
    this.capacity = this.#freeCount = capacity;
    this.length = new Uint16Array(capacity);
    this.payload = new Uint16Array(capacity);
    this.flow = new Uint16Array(capacity);
    this.flags = new Uint8Array(capacity);
    this.stream = new Uint16Array(capacity);
    this.sequence = new Uint32Array(capacity);
    this.order = new Uint32Array(capacity);
    this.paths = new Uint16Array(capacity);
    this.arrivedAt = new Float64Array(capacity);
    this.releaseAt = new Float64Array(capacity);
    this.next = new Int32Array(capacity);
    this.#isTaken = new Uint8Array(capacity);
    for (let slot = 0; slot < capacity; slot++) this.next[slot] = slot + 1;
    this.next[capacity - 1] = NO_SLOT;
  }

  get freeCount(): number {
    return this.#freeCount;
  }

  /** Hot. A free slot, or NO_SLOT. */
  take(): number {
    const slot = this.#free;
    if (slot === NO_SLOT) return NO_SLOT;
    this.#free = this.next[slot]!;
    this.#freeCount--;
    this.#isTaken[slot] = 1;
    this.flags[slot] = 0;
    return slot;
  }

  /** Hot. The caller's packet is in `slot`. */
  adopt(slot: number): void {
    if (this.#isTaken[slot] !== 0) throw new RangeError(`Cannot adopt slot ${slot}: it is in use`);
    this.#isTaken[slot] = 1;
    this.flags[slot] = 0;
    this.#freeCount--;
  }

  get hasReleased(): boolean {
    return this.#released.length > 0;
  }

  /** Hot. A slot that is free again and that the caller was not told of yet, or NO_SLOT. */
  takeReleased(): number {
    return this.#released.pop() ?? NO_SLOT;
  }

  /** Hot. The slot is free. */
  release(slot: number): void {
    if (this.#isTaken[slot] === 0) throw new RangeError(`Cannot release slot ${slot}: it is free`);
    this.#isTaken[slot] = 0;
    this.#freeCount++;
    if (!this.#isOwn) {
      this.#released.push(slot);
      return;
    }
    this.next[slot] = this.#free;
    this.#free = slot;
  }
}

/** A queue of slots, linked through {@link PacketSlots.next}: a slot is in one at a time. */
export class SlotQueue {
  bytes = 0;
  packets = 0;
  readonly #slots: PacketSlots;
  #head = NO_SLOT;
  #tail = NO_SLOT;

  constructor(slots: PacketSlots) {
    this.#slots = slots;
  }

  /** The first slot, or NO_SLOT. */
  get head(): number {
    return this.#head;
  }

  push(slot: number): void {
    this.#slots.next[slot] = NO_SLOT;
    if (this.#tail === NO_SLOT) this.#head = slot;
    else this.#slots.next[this.#tail] = slot;
    this.#tail = slot;
    this.bytes += this.#slots.length[slot]!;
    this.packets++;
  }

  /** The first slot, which is taken out, or NO_SLOT. */
  shift(): number {
    const slot = this.#head;
    if (slot === NO_SLOT) return NO_SLOT;
    this.#head = this.#slots.next[slot]!;
    if (this.#head === NO_SLOT) this.#tail = NO_SLOT;
    this.bytes -= this.#slots.length[slot]!;
    this.packets--;
    return slot;
  }
}
