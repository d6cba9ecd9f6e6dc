/**
 * Remembers on which path each flow goes, so that its packets stay in order without a reorder
 * buffer. Bounded: a flow idle for `idleMs` is forgotten, and when there is no room the one least
 * recently used. All memory is taken in the constructor; each call does a constant amount of work.
 *
 * A flow is known by two 32-bit hashes; two flows that agree in both share a path, which is
 * harmless.
 */

import { NO_PATH, PATH_IDS } from "../wire/path_id.ts";
import { GROWN_BYTES, GROWN_READ_BYTES_MIN, GROWN_WINDOW_MS } from "./grown_flow.ts";

/** Flows remembered at most, unless told. */
export const FLOWS_MAX = 65_536;
export const FLOW_IDLE_MS = 60_000;
/** noteSent(): nothing new about the flow. */
export const SENT = 0;
/** noteSent(): the flow has just grown. */
export const SENT_GROWN = 1;
/** noteSent(): a grown flow is seen for the first time in a window. */
export const SENT_IN_WINDOW = 2;

const NONE = -1;
/** Idle flows put out on each assignment: more than come in, so the idle do not pile up. */
const EXPIRED_PER_ASSIGN = 2;

interface FlowTableOptions {
  /** A power of two, 2 to FLOWS_MAX. */
  readonly capacity?: number;
  /** More than 0. */
  readonly idleMs?: number;
  /**
   * int32, secret and random, so that nobody can choose flows that meet in one place of the index.
   */
  readonly seed?: number;
}

export class FlowTable {
  readonly #capacity: number;
  readonly #idleMs: number;
  readonly #seed: number;

  /** Open addressing with linear probing, at most half full: an entry number, or NONE. */
  readonly #index: Int32Array;
  readonly #mask: number;

  readonly #hashA: Int32Array;
  readonly #hashB: Int32Array;
  readonly #path: Uint8Array;
  readonly #home: Uint8Array;
  /** Whether the flow was sent away from its home for want of room there. */
  readonly #isSpilled: Uint8Array;
  readonly #usedAt: Float64Array;
  /** Bytes sent, no more than GROWN_BYTES. */
  readonly #sent: Uint32Array;
  /** Of a grown flow: the last window in which it was seen. */
  readonly #seenIn: Int32Array;

  /**
   * The entries in use as a ring by time of use. Entry `capacity` is where its ends meet: its newer
   * neighbour is the oldest entry, its older neighbour the newest.
   */
  readonly #older: Int32Array;
  readonly #newer: Int32Array;
  /** The entries not in use, chained through `#older`. */
  #free = 0;
  #last = NONE;

  #size = 0;

  /** Throws RangeError for an option out of its range. */
  constructor(options: FlowTableOptions = {}) {
    const { capacity = FLOWS_MAX, idleMs = FLOW_IDLE_MS, seed = 0 } = options;
    const isPowerOfTwo = Number.isInteger(capacity) && (capacity & (capacity - 1)) === 0;
    if (!isPowerOfTwo || capacity < 2 || capacity > FLOWS_MAX) {
      throw new RangeError(`Cannot track flows: use a power of two from 2 to ${FLOWS_MAX}`);
    }
    if (!(idleMs > 0)) {
      throw new RangeError("Cannot track flows: use an idle time of more than 0 ms");
    }
    this.#capacity = capacity;
    this.#idleMs = idleMs;
    this.#seed = seed;
    this.#index = new Int32Array(2 * capacity).fill(NONE);
    this.#mask = 2 * capacity - 1;
    this.#hashA = new Int32Array(capacity);
    this.#hashB = new Int32Array(capacity);
    this.#path = new Uint8Array(capacity);
    this.#home = new Uint8Array(capacity);
    this.#isSpilled = new Uint8Array(capacity);
    this.#usedAt = new Float64Array(capacity);
    this.#sent = new Uint32Array(capacity);
    this.#seenIn = new Int32Array(capacity);
    this.#older = new Int32Array(capacity + 1);
    this.#newer = new Int32Array(capacity + 1);
    this.#older[capacity] = this.#newer[capacity] = capacity;
    for (let entry = 0; entry < capacity; entry++) this.#older[entry] = entry + 1;
    this.#older[capacity - 1] = NONE;
  }

  /** Flows with a path; those idle but not yet put out are counted. */
  get size(): number {
    return this.#size;
  }

  /** The path of a flow, which counts as a use of it at `now` (ms); NO_PATH when it has none. */
  lookup(hashA: number, hashB: number, now: number): number {
    const entry = this.#index[this.#placeOf(hashA, hashB)]!;
    if (entry === NONE) return NO_PATH;
    if (now - this.#usedAt[entry]! >= this.#idleMs) {
      this.#remove(entry);
      return NO_PATH;
    }
    this.#use(entry, now);
    this.#last = entry;
    return this.#path[entry]!;
  }

  /** Of the flow that was found last: the path it was assigned, though it may be diverted from it. */
  get home(): number {
    return this.#home[this.#last]!;
  }

  /** Of the flow that was found last: whether it was put on its path by {@link spill}. */
  get isSpilled(): boolean {
    return this.#isSpilled[this.#last] === 1;
  }

  /** Of the flow that was found last: whether it has grown. */
  get isGrown(): boolean {
    return this.#sent[this.#last] === GROWN_BYTES;
  }

  /** The flow that was found last sends `bytes` at `now`. Returns what that says: SENT something. */
  noteSent(bytes: number, now: number): number {
    if (bytes < GROWN_READ_BYTES_MIN) return SENT;
    const entry = this.#last;
    const sent = this.#sent[entry]!;
    if (sent < GROWN_BYTES) {
      this.#sent[entry] = Math.min(sent + bytes, GROWN_BYTES);
      if (sent + bytes < GROWN_BYTES) return SENT;
    }
    const window = Math.floor(now / GROWN_WINDOW_MS) | 0;
    if (sent === GROWN_BYTES && window === this.#seenIn[entry]) return SENT;
    this.#seenIn[entry] = window;
    return sent === GROWN_BYTES ? SENT_IN_WINDOW : SENT_GROWN;
  }

  /**
   * Puts a flow on `path`, 0 to 255, whether it had one or not. Throws RangeError for another path.
   */
  assign(hashA: number, hashB: number, path: number, now: number): void {
    if (path >>> 0 !== path || path >= PATH_IDS) {
      throw new RangeError(`Cannot assign a flow to path ${path}: use a path from 0 to 255`);
    }
    let entry = this.#index[this.#placeOf(hashA, hashB)]!;
    if (entry === NONE) {
      this.#putOutIdle(now);
      if (this.#free === NONE) this.#remove(this.#newer[this.#capacity]!);
      entry = this.#insert(hashA, hashB);
    }
    this.#home[entry] = path;
    this.#path[entry] = path;
    this.#isSpilled[entry] = 0;
    this.#use(entry, now);
  }

  /** Puts a flow on another path until there is room for it at home, which stays what it was. */
  spill(hashA: number, hashB: number, path: number, now: number): void {
    this.divert(hashA, hashB, path, now);
    this.#isSpilled[this.#index[this.#placeOf(hashA, hashB)]!] = 1;
  }

  /** Puts a flow that has a path on another for the time being; `home` stays what it was. */
  divert(hashA: number, hashB: number, path: number, now: number): void {
    const entry = this.#index[this.#placeOf(hashA, hashB)]!;
    if (entry === NONE) return this.assign(hashA, hashB, path, now);
    this.#path[entry] = path;
    this.#isSpilled[entry] = 0;
    this.#use(entry, now);
  }

  /** The place in the index of the flow, or the free one where it would go. */
  #placeOf(hashA: number, hashB: number): number {
    let place = this.#homeOf(hashA, hashB);
    for (;;) {
      const entry = this.#index[place]!;
      if (entry === NONE) return place;
      if (this.#hashA[entry] === (hashA | 0) && this.#hashB[entry] === (hashB | 0)) return place;
      place = (place + 1) & this.#mask;
    }
  }

  /** Mixes both hashes and the seed so that each bit reaches the place. */
  #homeOf(hashA: number, hashB: number): number {
    let mixed = Math.imul(hashA ^ this.#seed, 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 15) ^ hashB, 0xc2b2ae35);
    mixed = Math.imul(mixed ^ (mixed >>> 13) ^ this.#seed, 0x27d4eb2f);
    return (mixed ^ (mixed >>> 16)) & this.#mask;
  }

  #insert(hashA: number, hashB: number): number {
    const entry = this.#free;
    this.#free = this.#older[entry]!;
    this.#size++;
    this.#hashA[entry] = hashA;
    this.#hashB[entry] = hashB;
    this.#sent[entry] = 0;
    this.#index[this.#placeOf(hashA, hashB)] = entry;
    this.#older[entry] = this.#newer[entry] = entry;
    return entry;
  }

  #putOutIdle(now: number): void {
    for (let count = 0; count < EXPIRED_PER_ASSIGN; count++) {
      const entry = this.#newer[this.#capacity]!;
      if (entry === this.#capacity || now - this.#usedAt[entry]! < this.#idleMs) return;
      this.#remove(entry);
    }
  }

  #remove(entry: number): void {
    this.#size--;
    this.#unindex(this.#placeOf(this.#hashA[entry]!, this.#hashB[entry]!));
    this.#unlink(entry);
    this.#older[entry] = this.#free;
    this.#free = entry;
  }

  /** Frees a place, and moves back what was put further on because of it. */
  #unindex(place: number): void {
    let free = place;
    for (let next = (free + 1) & this.#mask;; next = (next + 1) & this.#mask) {
      const entry = this.#index[next]!;
      if (entry === NONE) break;
      const home = this.#homeOf(this.#hashA[entry]!, this.#hashB[entry]!);
      if (((next - home) & this.#mask) < ((next - free) & this.#mask)) continue;
      this.#index[free] = entry;
      free = next;
    }
    this.#index[free] = NONE;
  }

  /** Makes the entry the newest. */
  #use(entry: number, now: number): void {
    this.#usedAt[entry] = now;
    this.#unlink(entry);
    const ends = this.#capacity;
    const newest = this.#older[ends]!;
    this.#older[entry] = newest;
    this.#newer[entry] = ends;
    this.#newer[newest] = entry;
    this.#older[ends] = entry;
  }

  #unlink(entry: number): void {
    this.#newer[this.#older[entry]!] = this.#newer[entry]!;
    this.#older[this.#newer[entry]!] = this.#older[entry]!;
  }
}
