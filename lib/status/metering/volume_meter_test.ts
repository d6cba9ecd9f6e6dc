import { equal } from "node:assert/strict";
import fc from "fast-check";
import { monthOf, VolumeMeter } from "./volume_meter.ts";

const counters = (receivedBytes: number, sentBytes = 0, index = 3) => ({
  ...{ index, receivedBytes, sentBytes },
});

Deno.test("a link that was never counted begins at none, and both ways count", () => {
  const meter = new VolumeMeter(new Map(), "boot");
  meter.note("lte", counters(5000, 500), "2026-11");
  equal(meter.bytesOf("lte", "2026-11"), 0);
  meter.note("lte", counters(6000, 700), "2026-11");
  equal(meter.bytesOf("lte", "2026-11"), 1200);
  equal(meter.bytesOf("dsl", "2026-11"), 0);
});

Deno.test("a program that was killed misses nothing that the kernel has counted", () => {
  const before = new VolumeMeter(new Map(), "boot");
  before.note("lte", counters(1000), "2026-11");
  before.note("lte", counters(3000), "2026-11");
  const after = new VolumeMeter(before.volumes, "boot");
  after.note("lte", counters(9000), "2026-11");
  equal(after.bytesOf("lte", "2026-11"), 8000);
});

Deno.test("counters begin anew with the machine, and with an interface that is made anew", () => {
  const first = new VolumeMeter(new Map(), "boot");
  first.note("lte", counters(1000), "2026-11");
  first.note("lte", counters(3000), "2026-11");
  const rebooted = new VolumeMeter(first.volumes, "another boot");
  rebooted.note("lte", counters(5000), "2026-11");
  equal(rebooted.bytesOf("lte", "2026-11"), 7000);
  rebooted.note("lte", counters(100, 0, 4), "2026-11");
  equal(rebooted.bytesOf("lte", "2026-11"), 7100);
  rebooted.note("lte", counters(50, 0, 4), "2026-11");
  equal(rebooted.bytesOf("lte", "2026-11"), 7150, "a counter that goes back was reset");
});

Deno.test("a new month begins at zero, and has what passed since the last look", () => {
  const meter = new VolumeMeter(new Map(), "boot");
  meter.note("lte", counters(0), "2026-11");
  meter.note("lte", counters(900), "2026-11");
  meter.note("lte", counters(1000), "2026-12");
  equal(meter.bytesOf("lte", "2026-12"), 100);
  equal(meter.bytesOf("lte", "2026-11"), 0);
});

Deno.test("monthOf() is of the time zone of the machine", () => {
  equal(monthOf(new Date(2026, 0, 31, 23, 59, 59)), "2026-01");
  equal(monthOf(new Date(2026, 1, 1, 0, 0, 0)), "2026-02");
});

Deno.test("however often the program starts anew, the sum is what the kernel counted", () => {
  fc.assert(fc.property(
    fc.array(fc.record({ bytes: fc.nat(1e9), isKilled: fc.boolean() }), { maxLength: 30 }),
    (steps) => {
      let meter = new VolumeMeter(new Map(), "boot");
      let total = 17;
      meter.note("lte", counters(total), "2026-11");
      for (const { bytes, isKilled } of steps) {
        total += bytes;
        if (isKilled) meter = new VolumeMeter(meter.volumes, "boot");
        meter.note("lte", counters(total), "2026-11");
      }
      equal(meter.bytesOf("lte", "2026-11"), total - 17);
    },
  ));
});
