import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { SendBatch } from "./send_batch.ts";

const NO_CLASS = 0;

function filled(lengths: readonly number[]): SendBatch {
  const batch = new SendBatch();
  for (const length of lengths) {
    ok(batch.hasRoomFor(length, NO_CLASS), `${length} behind ${batch.records}`);
    batch.closeRecord(length);
  }
  return batch;
}

Deno.test("all records of a batch have the length of the first, but for a shorter last one", () => {
  const batch = filled([1400, 1400, 900]);
  deepEqual([batch.records, batch.used, batch.recordLength], [3, 3700, 1400]);
  equal(batch.hasRoomFor(900, NO_CLASS), false, "a shorter one ends it");
  equal(filled([1400]).hasRoomFor(1401, NO_CLASS), false, "a longer one is for the next");
  batch.clear();
  deepEqual([batch.records, batch.used, batch.blockedAt], [0, 0, Infinity]);
  ok(batch.hasRoomFor(1401, NO_CLASS));
});

Deno.test("a batch has one traffic class, the kernel's number of pieces, and its longest payload", () => {
  const batch = new SendBatch();
  batch.trafficClass = 8;
  ok(batch.hasRoomFor(100, NO_CLASS), "the first one may have any");
  batch.closeRecord(100);
  equal(batch.hasRoomFor(100, NO_CLASS), false);
  ok(batch.hasRoomFor(100, 8));
  const many = filled(Array(64).fill(100));
  equal(many.hasRoomFor(100, NO_CLASS), false, "UDP_MAX_SEGMENTS");
  const large = filled(Array(43).fill(1500));
  equal(large.hasRoomFor(1500, NO_CLASS), false, "66,000 bytes");
  ok(new SendBatch().hasRoomFor(65_536, NO_CLASS), "alone, for the kernel to refuse");
  equal(new SendBatch().hasRoomFor(65_601, NO_CLASS), false, "there is no memory for it");
});

Deno.test("property: what is sent in parts is all that is in the batch, once", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 40, max: 1500 }),
      fc.integer({ min: 1, max: 40 }),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 10 }),
      (length, count, last, parts) => {
        const lengths = Array<number>(count).fill(length);
        lengths[count - 1] = Math.max(1, Math.floor(length * last));
        const batch = filled(lengths);
        let bytes = 0;
        let first = 0;
        for (let turn = 0; first < count; turn++) {
          const next = Math.min(parts[turn % parts.length]!, count - first);
          bytes += batch.bytesOf(first, next);
          first += next;
        }
        equal(bytes, batch.used);
      },
    ),
  );
});
