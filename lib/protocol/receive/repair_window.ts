/**
 * The last packet records of one path, while its sender covers them by repair records, and those of
 * these that may still be of use. When exactly one covered record is missing, and something sent
 * later has come or the time for that has passed, it is had back. A repair record may come before
 * what it covers: paths differ. Has no clock.
 */
import { type CoveredFields, Parity } from "../path/parity.ts";
import { FLAG_ORDER_EXTENSION, FLAG_PARTIAL_CHECKSUM } from "../wire/header.ts";
import { ORDER_EXTENSION_LENGTH } from "../wire/order_extension.ts";
import {
  REPAIR_BYTES_MAX,
  REPAIR_PREFIX_LENGTH,
  REPAIR_SPAN,
  type RepairPrefix,
} from "../wire/repair.ts";

/** Records that are kept: 100 ms of 50 Mbit/s. */
const KEPT = 512;
const KEPT_MASK = KEPT - 1;
const WAITING = 32;
/** So long a repair record waits for what it covers. */
const WAIT_MS_MAX = 200;
const FLAGS = FLAG_ORDER_EXTENSION | FLAG_PARTIAL_CHECKSUM;
const NOTHING = -1;

/** A repair record that waits. */
class Waiting {
  /** Bits of the covered records that have not come; 0: the place is free. */
  missing = 0;
  mask = 0;
  first = 0;
  cameAt = 0;
  length = 0;
  flags = 0;
  compression = 0;
  sequence = 0;
  stream = 0;
  lengths = 0;

  /** @param offset where its parity lies. */
  constructor(readonly offset: number) {}
}

export class RepairWindow {
  /** Of the record that `next` gave: its header's fields, and the plaintext from 0 on. */
  readonly recovered: CoveredFields & { readonly bytes: Uint8Array<ArrayBuffer> };
  recoveredLength = 0;
  recoveredCounter = 0;
  readonly #parity: Parity;
  readonly #bytes = new Uint8Array((KEPT + WAITING) * REPAIR_BYTES_MAX);
  readonly #view = new DataView(this.#bytes.buffer);
  readonly #counter = new Float64Array(KEPT).fill(NOTHING);
  readonly #length = new Uint16Array(KEPT);
  readonly #flags = new Uint8Array(KEPT);
  readonly #compression = new Uint8Array(KEPT);
  readonly #sequence = new Uint32Array(KEPT);
  readonly #stream = new Uint16Array(KEPT);
  readonly #waiting: Waiting[] = Array.from(
    { length: WAITING },
    (_, index) => new Waiting((KEPT + index) * REPAIR_BYTES_MAX),
  );
  readonly #fields = { flags: 0, compression: 0, sequence: 0, stream: 0 };
  #nextWaiting = 0;
  #waits = 0;
  #epoch = NOTHING;
  #highest = 0;
  /** Repair records that cannot be true. */
  #faults = 0;

  /** @param into where records are had back, {@link REPAIR_BYTES_MAX} bytes. */
  constructor(into: Uint8Array<ArrayBuffer>) {
    this.recovered = this.#parity = new Parity(into);
  }

  /** Hot. A packet record has come on the path. */
  keep(
    epoch: number,
    counter: number,
    fields: CoveredFields,
    bytes: Uint8Array,
    offset: number,
    length: number,
  ): void {
    if (epoch !== this.#epoch && !this.#turn(epoch)) return;
    if (counter > this.#highest) this.#highest = counter;
    else if (counter <= this.#highest - KEPT) return;
    if (length > REPAIR_BYTES_MAX) return;
    const place = counter & KEPT_MASK;
    this.#counter[place] = counter;
    this.#length[place] = length;
    this.#flags[place] = fields.flags;
    this.#compression[place] = fields.compression;
    this.#sequence[place] = fields.sequence;
    this.#stream[place] = fields.stream;
    this.#bytes.set(bytes.subarray(offset, offset + length), place * REPAIR_BYTES_MAX);
    if (this.#waits > 0) this.#came(counter);
  }

  /** Keys have changed: counters begin anew. False: the key is an older one. */
  #turn(epoch: number): boolean {
    if (this.#epoch !== NOTHING && ((epoch - this.#epoch) & 0xff) > 127) return false;
    this.#epoch = epoch;
    this.#highest = 0;
    this.#counter.fill(NOTHING);
    for (const waiting of this.#waiting) waiting.missing = 0;
    this.#waits = 0;
    return true;
  }

  #came(counter: number): void {
    for (let index = 0; index < WAITING; index++) {
      const waiting = this.#waiting[index]!;
      const place = counter - waiting.first;
      if (waiting.missing === 0 || place < 0 || place >= REPAIR_SPAN) continue;
      waiting.missing &= ~(1 << place);
      if (waiting.missing === 0) this.#waits--;
    }
  }

  /** Low 8 bits of the key epoch that is kept; -1 before the first record. */
  get epoch(): number {
    return this.#epoch;
  }

  /** How many repair records could not be true, since this was asked last. */
  takeFaults(): number {
    const faults = this.#faults;
    this.#faults = 0;
    return faults;
  }

  /** A repair record has come. */
  add(prefix: RepairPrefix, fields: CoveredFields, payload: Uint8Array, now: number): void {
    const { epoch, first, mask } = prefix;
    if (epoch !== this.#epoch) {
      // It may have overtaken the first record under its key, or come after the last.
      const ahead = (epoch - this.#epoch) & 0xff;
      if (this.#epoch !== NOTHING && ahead > 1 && ahead <= 127) this.#faults++;
      return;
    }
    if (first > this.#highest + KEPT) {
      this.#faults++;
      return;
    }
    if (first <= this.#highest - KEPT) return;
    let missing = 0;
    for (let bit = 0; bit < REPAIR_SPAN; bit++) {
      const counter = first + bit;
      if ((mask >>> bit & 1) === 0 || this.#counter[counter & KEPT_MASK] === counter) continue;
      missing |= 1 << bit;
    }
    if (missing === 0) return;
    const waiting = this.#waiting[this.#nextWaiting]!;
    this.#nextWaiting = (this.#nextWaiting + 1) % WAITING;
    if (waiting.missing === 0) this.#waits++;
    waiting.missing = missing;
    waiting.mask = mask;
    waiting.first = first;
    waiting.cameAt = now;
    waiting.length = payload.length - REPAIR_PREFIX_LENGTH;
    waiting.flags = fields.flags;
    waiting.compression = fields.compression;
    waiting.sequence = fields.sequence;
    waiting.stream = fields.stream;
    waiting.lengths = prefix.lengths;
    this.#bytes.set(payload.subarray(REPAIR_PREFIX_LENGTH), waiting.offset);
  }

  /**
   * Hot. Whether a record is had back now: it is in `recovered`, and counts as come. Ask until there is
   * none.
   * @param patienceMs how much later than others the path may be.
   */
  next(patienceMs: number, now: number): boolean {
    if (this.#waits === 0) return false;
    for (let index = 0; index < WAITING; index++) {
      const waiting = this.#waiting[index]!;
      const { missing, first, cameAt } = waiting;
      if (missing === 0) continue;
      const isSingle = (missing & (missing - 1)) === 0;
      const counter = first + 31 - Math.clz32(missing);
      if (isSingle && (counter < this.#highest || now - cameAt >= patienceMs)) {
        waiting.missing = 0;
        this.#waits--;
        if (this.#recover(waiting, counter)) return true;
      } else if (now - cameAt >= WAIT_MS_MAX) {
        waiting.missing = 0;
        this.#waits--;
      }
    }
    return false;
  }

  /** When `next` is to be asked without anything coming; Infinity: nothing waits. */
  nextTimeout(patienceMs: number): number {
    let next = Infinity;
    if (this.#waits === 0) return next;
    for (const { missing, cameAt } of this.#waiting) {
      if (missing === 0) continue;
      const isSingle = (missing & (missing - 1)) === 0;
      next = Math.min(next, cameAt + (isSingle ? Math.min(patienceMs, WAIT_MS_MAX) : WAIT_MS_MAX));
    }
    return next;
  }

  #recover(waiting: Waiting, counter: number): boolean {
    const { first, mask } = waiting;
    const parity = this.#parity;
    parity.clear();
    parity.addParity(waiting, waiting.lengths, this.#view, waiting.offset, waiting.length);
    const fields = this.#fields;
    let isTrue = true;
    for (let bit = 0; bit < REPAIR_SPAN; bit++) {
      const other = first + bit;
      if ((mask >>> bit & 1) === 0 || other === counter) continue;
      const place = other & KEPT_MASK;
      // It was written over meanwhile.
      if (this.#counter[place] !== other) return false;
      fields.flags = this.#flags[place]!;
      fields.compression = this.#compression[place]!;
      fields.sequence = this.#sequence[place]!;
      fields.stream = this.#stream[place]!;
      const length = this.#length[place]!;
      if (length > waiting.length) isTrue = false;
      parity.add(fields, this.#view, place * REPAIR_BYTES_MAX, length);
    }
    const { lengths: length, flags, bytes, longest } = parity;
    isTrue &&= length > ORDER_EXTENSION_LENGTH && length <= waiting.length &&
      (flags & FLAG_ORDER_EXTENSION) !== 0 && (flags & ~FLAGS) === 0;
    for (let at = length; isTrue && at < longest; at++) if (bytes[at] !== 0) isTrue = false;
    if (!isTrue) {
      this.#faults++;
      return false;
    }
    this.recoveredLength = length;
    this.recoveredCounter = counter;
    // Counts as come: other repair records may cover it, and a copy of this one brings nothing more.
    const highest = this.#highest;
    this.keep(this.#epoch, counter, parity, bytes, 0, length);
    this.#highest = highest;
    return true;
  }
}
