import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import {
  decodeRepairPrefix,
  encodeRepairPrefix,
  REPAIR_BYTES_MAX,
  REPAIR_PREFIX_LENGTH,
  RepairPrefix,
} from "./repair.ts";

const u8 = fc.integer({ min: 0, max: 0xff });
const u16 = fc.integer({ min: 0, max: 0xffff });
const PREFIX = fc.record({
  pathId: u8,
  epoch: u8,
  mask: u16.map((mask) => mask | 1),
  first: fc.integer({ min: 1, max: 0xffffffff }),
  lengths: u16,
});

Deno.test("property: a prefix is read as it was written", () => {
  fc.assert(fc.property(PREFIX, (fields) => {
    const payload = new Uint8Array(REPAIR_PREFIX_LENGTH + 1);
    encodeRepairPrefix(new DataView(payload.buffer), 0, fields);
    const read = new RepairPrefix();
    equal(decodeRepairPrefix(payload, read), true);
    deepEqual({ ...read }, fields);
  }));
});

Deno.test("property: any bytes are refused or read, and nothing is thrown", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
    const isRead = decodeRepairPrefix(bytes, new RepairPrefix());
    if (isRead) equal(bytes.length > REPAIR_PREFIX_LENGTH, true);
  }));
});

Deno.test("without a parity, with one that is too long, or with nothing covered, it is refused", () => {
  const payload = (length: number, mask: number, first: number) => {
    const bytes = new Uint8Array(length);
    const prefix = { pathId: 0, epoch: 0, mask, first, lengths: 0 };
    encodeRepairPrefix(new DataView(bytes.buffer), 0, prefix);
    return decodeRepairPrefix(bytes, new RepairPrefix());
  };
  const least = REPAIR_PREFIX_LENGTH + 1;
  equal(payload(least, 1, 1), true);
  equal(payload(REPAIR_PREFIX_LENGTH + REPAIR_BYTES_MAX, 1, 1), true);
  equal(payload(REPAIR_PREFIX_LENGTH, 1, 1), false);
  equal(payload(REPAIR_PREFIX_LENGTH + REPAIR_BYTES_MAX + 1, 1, 1), false);
  equal(payload(least, 2, 1), false);
  equal(payload(least, 1, 0), false, "counters begin at 1");
});
