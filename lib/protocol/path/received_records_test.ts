import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { Acknowledgement } from "../wire/acknowledgement.ts";
import { ReceivedRecords } from "./received_records.ts";

function acknowledge(records: ReceivedRecords, now: number): Acknowledgement {
  const message = new Acknowledgement();
  equal(records.acknowledge(message, now), true);
  return message;
}

function gapsOf({ gaps, gapStart, gapLength }: Acknowledgement): number[][] {
  return Array.from({ length: gaps }, (_, gap) => [gapStart[gap]!, gapLength[gap]!]);
}

Deno.test("an acknowledgement tells gaps, counts and delays", () => {
  const records = new ReceivedRecords();
  equal(records.acknowledge(new Acknowledgement(), 0), false);
  for (const counter of [1, 2, 5, 6, 9]) {
    records.arrived(3, counter, 100, 1000 * counter, 50 + counter);
  }
  const message = acknowledge(records, 70);
  deepEqual(gapsOf(message), [[3, 2], [7, 2]]);
  deepEqual([message.epoch, message.highest, message.from], [3, 9, 1]);
  deepEqual([message.received, message.bytes], [5, 500]);
  deepEqual([message.clock, message.echo, message.hold], [70_000, 9000, 11_000]);
  deepEqual([message.delay, message.jitter], [50_000, 0]);
});

Deno.test("what arrives is acknowledged after 20 ms, a gap after 2", () => {
  const records = new ReceivedRecords();
  records.arrived(0, 1, 100, 0, 100);
  equal(records.dueAt, Infinity);
  records.expectAcknowledgement(100);
  equal(records.dueAt, 120);
  equal(records.isUrgent(100), false);
  records.arrived(0, 3, 100, 0, 105);
  records.expectAcknowledgement(105);
  equal(records.dueAt, 107);
  equal(records.isUrgent(107), true);
  acknowledge(records, 107);
  equal(records.dueAt, Infinity);
});

Deno.test("much is acknowledged at once, before the sender has no room for more", () => {
  const records = new ReceivedRecords();
  for (let counter = 1; counter <= 512; counter++) {
    records.arrived(0, counter, 100, counter, 100);
    records.expectAcknowledgement(100);
    equal(records.dueAt, counter < 512 ? 120 : 100);
  }
  acknowledge(records, 100);
  records.arrived(0, 513, 100, 600, 101);
  records.expectAcknowledgement(101);
  equal(records.dueAt, 121);
});

Deno.test("delays are those of the first of the records that left together", () => {
  const records = new ReceivedRecords();
  for (let counter = 1; counter <= 4; counter++) {
    records.arrived(0, counter, 100, 5000, 50 + counter / 4);
  }
  const message = acknowledge(records, 60);
  deepEqual([message.echo, message.hold, message.jitter], [5000, 9750, 0]);
  equal(message.delay, 45_250);
  equal(records.arrivedAt, 51);
});

Deno.test("records of a new key begin anew; those of the key before do not confuse", () => {
  const records = new ReceivedRecords();
  records.arrived(7, 100, 10, 0, 1);
  records.arrived(8, 1, 10, 0, 2);
  records.arrived(7, 101, 10, 0, 3);
  const message = acknowledge(records, 4);
  deepEqual([message.epoch, message.highest, message.gaps, message.received], [8, 1, 0, 3]);
});

Deno.test("property: gaps are what did not arrive, of the newest 32 at least", () => {
  const lost = fc.uniqueArray(fc.integer({ min: 2, max: 199 }), { maxLength: 60 });
  fc.assert(fc.property(lost, (missing) => {
    const records = new ReceivedRecords();
    for (let counter = 1; counter <= 200; counter++) {
      if (!missing.includes(counter)) records.arrived(0, counter, 1, 0, counter / 100);
    }
    const message = acknowledge(records, 3);
    const told = new Set<number>();
    for (const [start, length] of gapsOf(message)) {
      for (let each = 0; each < length!; each++) told.add(start! + each);
    }
    const expected = missing.filter((counter) => counter >= message.from);
    deepEqual([...told].sort((a, b) => a - b), expected.sort((a, b) => a - b));
    if (message.gaps < 32) equal(message.from, 1);
  }));
});
