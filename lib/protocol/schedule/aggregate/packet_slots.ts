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

/** Room at first where the caller numbers slots, from 0 on: most sessions never have more packets. */
const ADOPTED_MIN = 32;

export class PacketSlots {
  readonly capacity: number;
  /** Bytes on the wire. */
  length = new Uint16Array(0);
  /** Bytes of payload, of TCP. */
  payload = new Uint16Array(0);
  flow = new Uint16Array(0);
  flags = new Uint8Array(0);
  stream = new Uint16Array(0);
  sequence = new Uint32Array(0);
  order = new Uint32Array(0);
  paths = new Uint16Array(0);
  /** When it came, and from when on it may leave. */
  arrivedAt = new Float64Array(0);
  releaseAt = new Float64Array(0);
  next = new Int32Array(0);
  #isTaken = new Uint8Array(0);
  readonly #isOwn: boolean;
  /** Of a caller that numbers slots itself: those that are free again, until it is told. */
  readonly #released: number[] = [];
  #free = 0;
  #freeCount: number;

  /** @param numbering who chooses the slot of a packet: `take` or the caller of `adopt`. */
  constructor(capacity: number, numbering: "own" | "numbered by the caller" = "own") {
    this.#isOwn = numbering === "own";
    this.capacity = this.#freeCount = capacity;
    this.#resize(this.#isOwn ? capacity : Math.min(capacity, ADOPTED_MIN));
    for (let slot = 0; slot < this.next.length; slot++) this.next[slot] = slot + 1;
    this.next[this.next.length - 1] = NO_SLOT;
  }

  #resize(room: number): void {
    this.length = resized(this.length, new Uint16Array(room));
    this.payload = resized(this.payload, new Uint16Array(room));
    this.flow = resized(this.flow, new Uint16Array(room));
    this.flags = resized(this.flags, new Uint8Array(room));
    this.stream = resized(this.stream, new Uint16Array(room));
    this.sequence = resized(this.sequence, new Uint32Array(room));
    this.order = resized(this.order, new Uint32Array(room));
    this.paths = resized(this.paths, new Uint16Array(room));
    this.arrivedAt = resized(this.arrivedAt, new Float64Array(room));
    this.releaseAt = resized(this.releaseAt, new Float64Array(room));
    this.next = resized(this.next, new Int32Array(room));
    this.#isTaken = resized(this.#isTaken, new Uint8Array(room));
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
    if (slot >= this.#isTaken.length) this.#makeRoomFor(slot);
    if (this.#isTaken[slot] !== 0) throw new RangeError(`Cannot adopt slot ${slot}: it is in use`);
    this.#isTaken[slot] = 1;
    this.flags[slot] = 0;
    this.#freeCount--;
  }

  #makeRoomFor(slot: number): void {
    if (slot >= this.capacity) throw new RangeError(`Cannot adopt slot ${slot}: there is none`);
    let room = this.#isTaken.length;
    while (room <= slot) room *= 2;
    this.#resize(Math.min(room, this.capacity));
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

/** `next` with what is in `before`. */
function resized<T extends { set(from: T): void }>(before: T, next: T): T {
  next.set(before);
  return next;
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
