/**
 * Consecutive packet records of one path, and their parity, until it is due: when there are `size` of
 * them, or some time after the first, so that the end of a burst is covered, too. What it may take is
 * limited to a share of the path's rate. Has no clock.
 */
import { RECORD_OVERHEAD } from "../wire/header.ts";
import {
  REPAIR_BYTES_MAX,
  REPAIR_PREFIX_LENGTH,
  REPAIR_SPAN,
  RepairPrefix,
} from "../wire/repair.ts";
import { type CoveredFields, Parity } from "./parity.ts";

/** A parity that comes later helps few. */
const OPEN_MS = 10;
/** So long a group waits for being allowed a parity before that, at the least. */
const RETRY_MS = 5;
/** More than one parity of the longest packets, so that bursts are covered. */
const CREDIT_MS_MAX = 1000;
const CREDIT_BYTES_MAX = 8 * (REPAIR_BYTES_MAX + REPAIR_PREFIX_LENGTH + RECORD_OVERHEAD);

export class RepairGroup {
  /** Of the records covered, for the header and the payload of the repair record. */
  readonly parity = new Parity();
  readonly prefix = new RepairPrefix();
  /** Records after which it is due. */
  size = REPAIR_SPAN;
  /** Bytes a millisecond that parities may take. */
  rate = 0;
  records = 0;
  #openedAt = 0;
  #credit = CREDIT_BYTES_MAX;
  #creditAt = -Infinity;
  #retryAt = -Infinity;

  constructor(pathId: number) {
    this.prefix.pathId = pathId;
  }

  /** Bytes of the repair record's payload. */
  get payloadLength(): number {
    return REPAIR_PREFIX_LENGTH + this.parity.longest;
  }

  /** Hot. Whether a record that left under `counter` may be covered together with the others. */
  fits(epoch: number, counter: number): boolean {
    if (this.records === 0) return true;
    // Records of other kinds use counters, too.
    const place = counter - this.prefix.first;
    return epoch === this.prefix.epoch && place > 0 && place < REPAIR_SPAN;
  }

  /** Hot. A record that fits has left under `counter`. */
  cover(
    epoch: number,
    counter: number,
    fields: CoveredFields,
    view: DataView,
    offset: number,
    length: number,
    now: number,
  ): void {
    if (length > REPAIR_BYTES_MAX) return;
    const { prefix } = this;
    if (this.records === 0) {
      prefix.epoch = epoch;
      prefix.first = counter;
      prefix.mask = 0;
      this.#openedAt = now;
    }
    prefix.mask |= 1 << (counter - prefix.first);
    this.parity.add(fields, view, offset, length);
    prefix.lengths = this.parity.lengths;
    this.records++;
  }

  /** Hot. Whether the parity is due, and within what it may take. */
  isDue(now: number): boolean {
    if (this.records === 0) return false;
    if (this.records >= this.size) return this.closes(now);
    if (now < this.dueAt) return false;
    if (this.#mayTake(now)) return true;
    this.#retryAt = now + RETRY_MS;
    return false;
  }

  /** Whether the parity may leave now; otherwise the group is given up: no more records fit. */
  closes(now: number): boolean {
    const mayTake = this.records > 0 && this.#mayTake(now);
    if (!mayTake) this.clear();
    return mayTake;
  }

  #mayTake(now: number): boolean {
    const elapsed = Math.min(CREDIT_MS_MAX, now - this.#creditAt);
    this.#credit = Math.min(CREDIT_BYTES_MAX, this.#credit + elapsed * this.rate);
    this.#creditAt = now;
    return this.#credit >= this.payloadLength + RECORD_OVERHEAD;
  }

  /** When `isDue` is to be asked; Infinity: nothing is covered. */
  get dueAt(): number {
    return this.records === 0 ? Infinity : Math.max(this.#openedAt + OPEN_MS, this.#retryAt);
  }

  /** The parity has left: the next record begins a new group. */
  sent(): void {
    this.#credit -= this.payloadLength + RECORD_OVERHEAD;
    this.clear();
  }

  /** Leaves the records uncovered. */
  clear(): void {
    this.records = 0;
    this.parity.clear();
  }
}
