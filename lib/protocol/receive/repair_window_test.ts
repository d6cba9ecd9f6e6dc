/** Groups of a sender and the window of its receiver: what is had back, and what changes nothing. */
import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import type { CoveredFields } from "../path/parity.ts";
import { RepairGroup } from "../path/repair_group.ts";
import { FLAG_COPY, FLAG_ORDER_EXTENSION, FLAG_PARTIAL_CHECKSUM } from "../wire/header.ts";
import {
  decodeRepairPrefix,
  encodeRepairPrefix,
  REPAIR_BYTES_MAX,
  REPAIR_PREFIX_LENGTH,
  RepairPrefix,
} from "../wire/repair.ts";
import { RepairWindow } from "./repair_window.ts";

const EPOCH = 9;
/** Of all times here. */
const PATIENCE_MS = 30;

interface Covered {
  readonly counter: number;
  readonly fields: CoveredFields;
  readonly bytes: Uint8Array;
}

interface Repair {
  readonly prefix: RepairPrefix;
  readonly fields: CoveredFields;
  readonly payload: Uint8Array;
}

function repairOf(records: readonly Covered[]): Repair {
  const group = new RepairGroup(0);
  for (const { counter, fields, bytes } of records) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    ok(group.fits(EPOCH, counter));
    group.cover(EPOCH, counter, fields, view, 0, bytes.length, 0);
  }
  const { flags, compression, sequence, stream } = group.parity;
  const payload = new Uint8Array(group.payloadLength);
  encodeRepairPrefix(new DataView(payload.buffer), 0, group.prefix);
  payload.set(group.parity.bytes.subarray(0, group.parity.longest), REPAIR_PREFIX_LENGTH);
  const prefix = new RepairPrefix();
  ok(decodeRepairPrefix(payload, prefix));
  return { prefix, fields: { flags, compression, sequence, stream }, payload };
}

class Receiver {
  readonly window = new RepairWindow(new Uint8Array(REPAIR_BYTES_MAX));
  readonly recovered: Covered[] = [];

  come({ counter, fields, bytes }: Covered, now = 0): void {
    this.window.keep(EPOCH, counter, fields, bytes, 0, bytes.length);
    this.look(now);
  }

  repair({ prefix, fields, payload }: Repair, now = 0): void {
    this.window.add(prefix, fields, payload, now);
    this.look(now);
  }

  look(now: number): void {
    const { window } = this;
    while (window.next(PATIENCE_MS, now)) {
      const { flags, compression, sequence, stream, bytes } = window.recovered;
      this.recovered.push({
        counter: window.recoveredCounter,
        fields: { flags, compression, sequence, stream },
        bytes: bytes.slice(0, window.recoveredLength),
      });
    }
  }
}

function record(counter: number): Covered {
  const sequence = (counter + 1000) >>> 0;
  const fields = { flags: FLAG_ORDER_EXTENSION, compression: 0, sequence, stream: 5 };
  return { counter, fields, bytes: Uint8Array.from({ length: 100 }, (_, at) => at * counter) };
}

/** One group of records with gaps between their counters, and in which order all of it comes. */
const GROUP = fc.record({
  first: fc.integer({ min: 1, max: 2 ** 32 - 2000 }),
  steps: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 0, maxLength: 7 }),
  chance: fc.infiniteStream(fc.nat()),
}).map(({ first, steps, chance }) => {
  const next = () => chance.next().value as number;
  let counter = first;
  const records = [first, ...steps.map((step) => counter += step)].map((each): Covered => ({
    counter: each,
    fields: {
      flags: FLAG_ORDER_EXTENSION | (next() % 2 === 0 ? 0 : FLAG_PARTIAL_CHECKSUM),
      compression: next() % 3,
      sequence: next() >>> 0,
      stream: next() % 64,
    },
    bytes: Uint8Array.from({ length: 9 + next() % 300 }, () => next()),
  }));
  /** Any order of arrival. */
  const shuffled = <T>(things: readonly T[]) =>
    things.map((thing) => ({ thing, key: next() })).sort((one, other) => one.key - other.key)
      .map(({ thing }) => thing);
  return { records, next, shuffled };
});

Deno.test("property: any one record of a group is had back, bit by bit, in any order of arrival", () => {
  fc.assert(fc.property(GROUP, ({ records, next, shuffled }) => {
    const lost = records[next() % records.length]!;
    const receiver = new Receiver();
    receiver.come(record(records[0]!.counter + 500));
    const repair = repairOf(records);
    const come = records.filter((each) => each !== lost);
    for (const thing of shuffled<Covered | Repair>([...come, repair])) {
      if ("prefix" in thing) receiver.repair(thing);
      else receiver.come(thing);
    }
    deepEqual(receiver.recovered, [lost]);
    equal(receiver.window.takeFaults(), 0);
  }));
});

Deno.test("property: of two records that are lost none is had back, and nothing is harmed", () => {
  fc.assert(fc.property(GROUP, ({ records, next, shuffled }) => {
    fc.pre(records.length > 1);
    const [one, other] = shuffled(records);
    const receiver = new Receiver();
    receiver.come(record(records[0]!.counter + 500));
    const come = records.filter((each) => each !== one && each !== other);
    for (const thing of shuffled<Covered | Repair>([...come, repairOf(records)])) {
      if ("prefix" in thing) receiver.repair(thing);
      else receiver.come(thing);
    }
    receiver.look(10_000);
    deepEqual(receiver.recovered, []);
    equal(receiver.window.takeFaults(), 0);
    // The next group is none the worse for it.
    const base = records[0]!.counter + 501 + next() % 10;
    const following = [record(base), record(base + 1), record(base + 2)];
    receiver.repair(repairOf(following));
    receiver.come(following[0]!);
    receiver.come(following[2]!);
    deepEqual(receiver.recovered, [following[1]!]);
  }));
});

Deno.test("property: any bytes for a repair record are borne, and take no more than there is", () => {
  const payload = fc.uint8Array({ minLength: REPAIR_PREFIX_LENGTH, maxLength: 200 });
  const header = fc.record({
    ...{ flags: fc.nat({ max: 255 }), compression: fc.nat({ max: 255 }) },
    ...{ sequence: fc.nat(), stream: fc.nat({ max: 0xffff }) },
  });
  const hostile = fc.array(fc.tuple(payload, header, fc.boolean()), { maxLength: 60 });
  fc.assert(fc.property(hostile, (repairs) => {
    const receiver = new Receiver();
    const prefix = new RepairPrefix();
    for (const [index, [bytes, fields, isNear]] of repairs.entries()) {
      const own = record(index + 1);
      receiver.come(own, index);
      if (!decodeRepairPrefix(bytes, prefix)) continue;
      if (isNear) {
        prefix.epoch = EPOCH;
        prefix.first = 1 + prefix.first % 60;
      }
      receiver.window.add(prefix, fields, bytes, index);
      receiver.look(index);
    }
    receiver.look(1e6);
    for (const { bytes, fields } of receiver.recovered) {
      ok(bytes.length <= REPAIR_BYTES_MAX);
      equal(fields.flags & ~FLAG_PARTIAL_CHECKSUM, FLAG_ORDER_EXTENSION);
    }
    // An honest group is repaired after all that.
    const records = [record(1001), record(1002)];
    receiver.come(records[1]!, 1e6);
    receiver.repair(repairOf(records), 1e6);
    deepEqual(receiver.recovered.at(-1), records[0]!);
  }));
});

Deno.test("what is not lost is not had back: it is waited for as long as the path may be later", () => {
  const receiver = new Receiver();
  const records = [record(1), record(2), record(3)];
  receiver.come(records[0]!, 0);
  // The repair record took a faster path.
  receiver.repair(repairOf(records), 0);
  receiver.come(records[1]!, 1);
  receiver.look(29);
  deepEqual(receiver.recovered, []);
  equal(receiver.window.nextTimeout(PATIENCE_MS), 30);
  receiver.come(records[2]!, 29);
  equal(receiver.window.nextTimeout(PATIENCE_MS), Infinity);
  receiver.look(1000);
  deepEqual(receiver.recovered, []);
});

Deno.test("the last record of a burst is had back once the path has had its time", () => {
  const receiver = new Receiver();
  const records = [record(1), record(2)];
  receiver.come(records[0]!, 0);
  receiver.repair(repairOf(records), 5);
  receiver.look(34);
  deepEqual(receiver.recovered, []);
  receiver.look(35);
  deepEqual(receiver.recovered, [records[1]!]);
});

Deno.test("a repair record that comes again, or for what has come, brings nothing", () => {
  const receiver = new Receiver();
  const records = [record(1), record(2), record(3)];
  receiver.come(records[0]!);
  receiver.come(records[2]!);
  const repair = repairOf(records);
  for (let times = 0; times < 3; times++) receiver.repair(repair);
  deepEqual(receiver.recovered, [records[1]!]);
  equal(receiver.window.takeFaults(), 0);
});

Deno.test("repair records that cannot be true change nothing and are counted", () => {
  const lies: [string, (repair: Repair) => Repair][] = [
    ["a length beyond the parity", (repair) => {
      const prefix = Object.assign(new RepairPrefix(), repair.prefix, { lengths: 5000 });
      return { ...repair, prefix };
    }],
    ["no packet in order", (repair) => ({
      ...repair,
      fields: { ...repair.fields, flags: FLAG_ORDER_EXTENSION | FLAG_COPY },
    })],
    ["bytes behind the end", (repair) => {
      const payload = new Uint8Array(repair.payload.length + 1);
      payload.set(repair.payload);
      payload[payload.length - 1] = 1;
      return { ...repair, payload };
    }],
    ["shorter than what it covers", (repair) => ({
      ...repair,
      payload: repair.payload.subarray(0, 50),
    })],
    ["counters that are far ahead", (repair) => ({
      ...repair,
      prefix: Object.assign(new RepairPrefix(), repair.prefix, { first: 4000 }),
    })],
    ["a key that is far ahead", (repair) => ({
      ...repair,
      prefix: Object.assign(new RepairPrefix(), repair.prefix, { epoch: EPOCH + 20 }),
    })],
  ];
  for (const [name, lie] of lies) {
    const receiver = new Receiver();
    const records = [record(1), record(2), record(3)];
    receiver.come(records[0]!);
    receiver.come(records[2]!);
    receiver.repair(lie(repairOf(records)));
    deepEqual(receiver.recovered, [], name);
    equal(receiver.window.takeFaults(), 1, name);
    receiver.repair(repairOf(records));
    deepEqual(receiver.recovered, [records[1]!], name);
  }
});

Deno.test("what is written over meanwhile is not used", () => {
  const receiver = new Receiver();
  const records = [record(1), record(2), record(3)];
  receiver.come(records[0]!);
  receiver.repair(repairOf(records));
  for (let counter = 4; counter < 600; counter++) receiver.come(record(counter));
  receiver.come(records[2]!);
  receiver.look(1000);
  deepEqual(receiver.recovered, []);
});

Deno.test("with the next key counters begin anew, and those of the last are forgotten", () => {
  const receiver = new Receiver();
  const records = [record(1), record(2)];
  for (const each of records) receiver.come(each);
  const { window } = receiver;
  window.keep(EPOCH + 1, 1, records[0]!.fields, records[0]!.bytes, 0, 100);
  // A late one of the last key.
  window.keep(EPOCH, 3, records[0]!.fields, records[0]!.bytes, 0, 100);
  const { prefix, fields, payload } = repairOf(records);
  window.add(prefix, fields, payload, 0);
  receiver.look(1000);
  deepEqual(receiver.recovered, []);
  window.add(
    Object.assign(new RepairPrefix(), prefix, { epoch: EPOCH + 1 }),
    fields,
    payload,
    1000,
  );
  receiver.look(2000);
  deepEqual(receiver.recovered, [records[1]!]);
});
