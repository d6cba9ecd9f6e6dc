import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import {
  formatAge,
  formatBytes,
  formatMs,
  formatPart,
  formatRate,
  formatUptime,
  sparkline,
} from "./figures.ts";

Deno.test("rates are in bits and bytes in bytes, with the unit that fits", () => {
  deepEqual([0, 12, 125, 1_550_000, 12_490_000, 124_990_000, 1e9].map(formatRate), [
    "0 bit/s",
    "96 bit/s",
    "1.0 kbit/s",
    "12.4 Mbit/s",
    "99.9 Mbit/s",
    "1.0 Gbit/s",
    "8.0 Gbit/s",
  ]);
  deepEqual([0, 999, 999.6, 999_499, 999_600, 1.24e9].map(formatBytes), [
    "0 B",
    "999 B",
    "1.0 kB",
    "999 kB",
    "1.0 MB",
    "1.2 GB",
  ]);
});

Deno.test("figures never need more room than their columns have", () => {
  const number = fc.double({ min: 0, max: 1e15, noNaN: true });
  fc.assert(fc.property(number, (value) => {
    ok(formatRate(value / 8).length <= 11, formatRate(value / 8));
    ok(formatBytes(value).length <= 7, formatBytes(value));
  }));
  fc.assert(fc.property(fc.double({ min: 0, max: 1, noNaN: true }), (part) => {
    ok(formatPart(part).length <= 5, formatPart(part));
  }));
});

Deno.test("times and parts are as people read them, and what is unknown is a dash", () => {
  deepEqual([null, 0.04, 9.996, 20.06, 99.96, 812.4].map(formatMs), [
    "-",
    "0.04 ms",
    "10.0 ms",
    "20.1 ms",
    "100 ms",
    "812 ms",
  ]);
  deepEqual([null, 0, 0.004, 0.0996, 1].map(formatPart), ["-", "0 %", "0.4 %", "10 %", "100 %"]);
  deepEqual([0, 65_000, 3_723_000, 90_061_000].map(formatUptime), [
    "0:00",
    "1:05",
    "1:02:03",
    "1 d 01:01:01",
  ]);
  deepEqual([null, 140, 9_960, 119_000, 600_000].map(formatAge), [
    "never",
    "0.1 s",
    "10 s",
    "119 s",
    "10 min",
  ]);
});

Deno.test("sparkline() has the highest bar for the greatest value, and none for nothing", () => {
  equal(sparkline([], 10), "");
  equal(sparkline([0, 0], 10), "__");
  equal(sparkline([0, 1e6, 4e6, 8e6], 10), "_▂▅█");
  equal(sparkline([0, 0, 8e6, 8e6, 4e6, 4e6], 3), "_█▅");
  equal(sparkline([0, 20, 200], 3), "_▁▁");
});

Deno.test("sparkline() never needs more columns than it is given", () => {
  const values = fc.array(fc.double({ min: 0, max: 1e12, noNaN: true }), { maxLength: 70 });
  fc.assert(fc.property(values, fc.integer({ min: 1, max: 80 }), (rates, width) => {
    equal(sparkline(rates, width).length, Math.min(width, rates.length));
  }));
});
