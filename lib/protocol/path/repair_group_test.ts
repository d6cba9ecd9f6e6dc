import { deepEqual, equal, ok } from "node:assert/strict";
import { RepairGroup } from "./repair_group.ts";
import { REPAIR_BYTES_MAX, REPAIR_PREFIX_LENGTH, REPAIR_SPAN } from "../wire/repair.ts";

const FIELDS = { flags: 4, compression: 0, sequence: 7, stream: 3 };
const bytes = Uint8Array.from({ length: REPAIR_BYTES_MAX + 1 }, (_, index) => index);
const view = new DataView(bytes.buffer);

function groupOf(size: number, rate = 1e6): RepairGroup {
  const group = new RepairGroup(2);
  group.size = size;
  group.rate = rate;
  return group;
}

function cover(group: RepairGroup, counter: number, now: number, length = 100): void {
  group.cover(1, counter, FIELDS, view, 0, length, now);
}

Deno.test("a parity is due when the group is full", () => {
  const group = groupOf(3);
  for (const counter of [5, 6]) {
    cover(group, counter, 0);
    equal(group.isDue(0), false);
  }
  cover(group, 8, 0, 120);
  equal(group.isDue(0), true);
  deepEqual({ ...group.prefix }, { pathId: 2, epoch: 1, mask: 0b1011, first: 5, lengths: 120 });
  equal(group.payloadLength, REPAIR_PREFIX_LENGTH + 120);
  deepEqual(group.parity.bytes.subarray(0, 120), bytes.subarray(0, 120));
  group.sent();
  equal(group.records, 0);
  equal(group.isDue(1e6), false);
  ok(group.parity.bytes.every((byte) => byte === 0));
});

Deno.test("the end of a burst is covered 10 ms after its first record", () => {
  const group = groupOf(10);
  equal(group.dueAt, Infinity);
  cover(group, 1, 1000);
  cover(group, 2, 1005);
  equal(group.dueAt, 1010);
  equal(group.isDue(1009), false);
  equal(group.isDue(1010), true);
});

Deno.test("records of another key, or too far apart, are not covered together", () => {
  const group = groupOf(10);
  ok(group.fits(1, 1));
  cover(group, 1, 0);
  ok(group.fits(1, REPAIR_SPAN));
  for (const [epoch, counter] of [[2, 2], [1, REPAIR_SPAN + 1], [1, 1]] as const) {
    equal(group.fits(epoch, counter), false);
  }
});

Deno.test("what is too long is not covered", () => {
  const group = groupOf(10);
  cover(group, 1, 0, REPAIR_BYTES_MAX + 1);
  equal(group.records, 0);
});

Deno.test("parities take no more than their share, but for a burst", () => {
  // A tenth of 100 bytes a millisecond.
  const group = groupOf(10, 10);
  let sent = 0;
  for (let now = 0, counter = 1; now < 10_000; now++) {
    // One record in 20 ms, so each parity is as long as what it covers.
    if (now % 20 === 0) cover(group, counter++, now, 1000);
    if (!group.isDue(now)) continue;
    sent += group.payloadLength;
    group.sent();
  }
  ok(sent > 0.9 * 10 * 10_000, `${sent}`);
  ok(sent < 10 * 10_000 + 8 * 2200, `${sent}`);
});

Deno.test("a full group without a share left is given up", () => {
  const group = groupOf(2, 0);
  let sent = 0;
  for (let counter = 1; counter < 100; counter++) {
    if (!group.fits(1, counter)) group.closes(0);
    cover(group, counter, 0, 2000);
    if (!group.isDue(0)) continue;
    sent++;
    group.sent();
  }
  ok(sent >= 1 && sent <= 8, `${sent}`);
  ok(group.records <= 2);
});
