/**
 * Repair records of one end of a tunnel on virtual time: the product's groups and windows, on
 * plaintexts that stand for packets.
 */
import { LossWindow } from "../../lib/protocol/path/loss_window.ts";
import { RepairGroup } from "../../lib/protocol/path/repair_group.ts";
import { RepairWindow } from "../../lib/protocol/receive/repair_window.ts";
import { repairGroupSize, repairRate } from "../../lib/protocol/session/repairs.ts";
import { FLAG_ORDER_EXTENSION } from "../../lib/protocol/wire/header.ts";
import type { Acknowledgement } from "../../lib/protocol/wire/acknowledgement.ts";
import {
  encodeRepairPrefix,
  REPAIR_BYTES_MAX,
  REPAIR_PREFIX_LENGTH,
  RepairPrefix,
} from "../../lib/protocol/wire/repair.ts";

const JUDGE_MS = 100;
const LOST_MIN = 3;
/** Of a packet's number, and of the order extension. */
const PLAINTEXT_BYTES = 12;

/** An ordered record, as it comes on the other end. */
export interface OrderedRecord<P> {
  readonly packet: P;
  readonly stream: number;
  readonly sequence: number;
  readonly order: number;
  readonly paths: number;
  readonly flags: number;
}

/** A repair record on its way. */
export interface RepairOnWire {
  readonly prefix: RepairPrefix;
  readonly fields: { flags: number; compression: number; sequence: number; stream: number };
  readonly payload: Uint8Array;
  /** Of the longest packet covered. */
  readonly bytes: number;
}

interface Covered {
  readonly loss: LossWindow;
  group: RepairGroup | null;
  longest: number;
  highest: number;
  received: number;
}

/** The records that both ends have sent, by the number in their plaintexts. */
export class RecordBook<P> {
  readonly records: OrderedRecord<P>[] = [];
}

export class RepairModel<P extends { readonly bytes: number }> {
  repaired = 0;
  sent = 0;
  readonly #book: RecordBook<P>;
  readonly #paths = new Map<number, Covered>();
  readonly #windows = new Map<number, RepairWindow>();
  readonly #plain = new Uint8Array(PLAINTEXT_BYTES);
  readonly #view = new DataView(this.#plain.buffer);
  #judgedAt = -Infinity;

  constructor(book: RecordBook<P>) {
    this.#book = book;
  }

  #path(id: number): Covered {
    let path = this.#paths.get(id);
    if (path === undefined) {
      path = { loss: new LossWindow(), group: null, longest: 0, highest: 0, received: 0 };
      this.#paths.set(id, path);
    }
    return path;
  }

  /** An acknowledgement came that was found true. */
  acknowledged({ pathId, highest, received }: Acknowledgement, now: number): void {
    const path = this.#path(pathId);
    const [sent, arrived] = [highest - path.highest, received - path.received];
    if (sent <= 0) return;
    path.loss.add(sent, sent - arrived, now);
    path.highest = highest;
    path.received = received;
  }

  /** @param rateOf bytes a ms that a path carries. */
  judge(fastestMs: number, ids: readonly number[], rateOf: (id: number) => number, now: number) {
    if (now - this.#judgedAt < JUDGE_MS) return;
    this.#judgedAt = now;
    for (const id of ids) {
      const path = this.#path(id);
      const carrier = ids.find((other) => other !== id);
      const isLossy = path.group !== null || path.loss.lostCount(now) >= LOST_MIN;
      const size = carrier === undefined || !isLossy
        ? 0
        : repairGroupSize(path.loss.share(now), fastestMs, path.group?.size ?? 0);
      if (size === 0) {
        path.group = null;
        continue;
      }
      path.group ??= new RepairGroup(id);
      path.group.size = size;
      path.group.rate = repairRate(size, rateOf(id), rateOf(carrier!));
    }
  }

  /** An ordered record has left: returns the number to know it by. */
  enter(record: OrderedRecord<P>): number {
    return this.#book.records.push(record) - 1;
  }

  /** It has left on a path, under a counter. Returns repair records that leave with it. */
  left(id: number, counter: number, number: number, now: number): RepairOnWire[] {
    const path = this.#path(id);
    const { group } = path;
    if (group === null) return [];
    const repairs: RepairOnWire[] = [];
    if (!group.fits(0, counter) && group.closes(now)) repairs.push(this.#take(path, group));
    const record = this.#write(number);
    path.longest = Math.max(path.longest, record.packet.bytes);
    group.cover(0, counter, fieldsOf(record), this.#view, 0, PLAINTEXT_BYTES, now);
    if (group.isDue(now)) repairs.push(this.#take(path, group));
    return repairs;
  }

  /** The repair records that are due though nothing leaves. */
  due(now: number): RepairOnWire[] {
    const repairs: RepairOnWire[] = [];
    for (const path of this.#paths.values()) {
      if (path.group?.isDue(now) === true) repairs.push(this.#take(path, path.group));
    }
    return repairs;
  }

  #take(path: Covered, group: RepairGroup): RepairOnWire {
    const payload = new Uint8Array(group.payloadLength);
    encodeRepairPrefix(new DataView(payload.buffer), 0, group.prefix);
    payload.set(
      group.parity.bytes.subarray(0, group.payloadLength - REPAIR_PREFIX_LENGTH),
      REPAIR_PREFIX_LENGTH,
    );
    const prefix = Object.assign(new RepairPrefix(), group.prefix);
    const { flags, compression, sequence, stream } = group.parity;
    const fields = { flags, compression, sequence, stream };
    const bytes = path.longest;
    group.sent();
    path.longest = 0;
    this.sent++;
    return { prefix, fields, payload, bytes };
  }

  /** An ordered record came on a path under a counter. Returns what is had back by that. */
  came(id: number, counter: number, number: number, patienceMs: number, now: number) {
    const window = this.#windows.get(id);
    if (window === undefined) return [];
    const record = this.#write(number);
    window.keep(0, counter, fieldsOf(record), this.#plain, 0, PLAINTEXT_BYTES);
    return this.#recovered(window, patienceMs, now);
  }

  /** Writes what stands for the plaintext of a record. */
  #write(number: number): OrderedRecord<P> {
    const record = this.#book.records[number]!;
    this.#view.setUint32(0, number);
    this.#view.setUint32(4, record.order);
    this.#view.setUint16(8, record.paths);
    this.#view.setUint16(10, record.flags);
    return record;
  }

  repairCame({ prefix, fields, payload }: RepairOnWire, patienceMs: number, now: number) {
    let window = this.#windows.get(prefix.pathId);
    if (window === undefined) {
      window = new RepairWindow(new Uint8Array(REPAIR_BYTES_MAX));
      this.#windows.set(prefix.pathId, window);
    }
    window.add(prefix, fields, payload, now);
    return this.#recovered(window, patienceMs, now);
  }

  /** What is had back though nothing comes, with the path that it was sent on. */
  timeout(patienceMs: number, now: number): { id: number; record: OrderedRecord<P> }[] {
    return [...this.#windows].flatMap(([id, window]) =>
      this.#recovered(window, patienceMs, now).map((record) => ({ id, record }))
    );
  }

  #recovered(window: RepairWindow, patienceMs: number, now: number): OrderedRecord<P>[] {
    const records: OrderedRecord<P>[] = [];
    while (window.next(patienceMs, now)) {
      const view = new DataView(window.recovered.bytes.buffer);
      records.push(this.#book.records[view.getUint32(0)]!);
      this.repaired++;
    }
    return records;
  }

  nextTimeout(patienceMs: number): number {
    let next = Infinity;
    for (const { group } of this.#paths.values()) next = Math.min(next, group?.dueAt ?? Infinity);
    for (const window of this.#windows.values()) {
      next = Math.min(next, window.nextTimeout(patienceMs));
    }
    return next;
  }
}

function fieldsOf({ sequence, stream }: OrderedRecord<unknown>) {
  return { flags: FLAG_ORDER_EXTENSION, compression: 0, sequence, stream };
}
