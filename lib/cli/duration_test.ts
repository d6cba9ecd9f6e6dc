import { equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { durationMsIn, formatDurationMs, parseDurationMs } from "./duration.ts";
import { UsageError } from "./exit.ts";

Deno.test("parseDurationMs() reads Go's durations", () => {
  const cases: [string, number][] = [
    ["0", 0],
    ["0s", 0],
    ["50ms", 50],
    ["1s", 1000],
    ["2m", 120_000],
    ["1h", 3_600_000],
    ["1.5s", 1500],
    ["1m30s", 90_000],
    ["0.25ms", 0.25],
    ["500us", 0.5],
    ["500µs", 0.5],
    ["500μs", 0.5],
    ["2000000ns", 2],
    [".5s", 500],
    ["1.s", 1000],
    ["+1s", 1000],
    ["36h", 129_600_000],
  ];
  for (const [text, durationMs] of cases) equal(parseDurationMs(text), durationMs, text);
});

Deno.test("parseDurationMs() refuses what has no clear unit", () => {
  const refused = ["", " ", "50", "-1s", "1 s", "s", "1d", "1s ", ".s", "+", "1e3ms"];
  refused.push("1S", "0x10ms", "Infinity", "1s,", "1".repeat(41) + "s", "1s".repeat(21));
  for (const text of refused) equal(parseDurationMs(text), null, text);
});

Deno.test("parseDurationMs() reads back what formatDurationMs() writes", () => {
  fc.assert(fc.property(fc.nat({ max: 999_999_999 }), (durationMs) => {
    equal(parseDurationMs(formatDurationMs(durationMs)), durationMs);
  }));
});

Deno.test("durationMsIn() names the option, the range and what was given", () => {
  const parse = durationMsIn("-reorder-flush-timeout", 0, 10_000);
  equal(parse("10s"), 10_000);
  throws(
    () => parse("11s"),
    new UsageError("-reorder-flush-timeout must be 0 to 10s, not '11s'"),
  );
  throws(
    () => parse("50"),
    new UsageError(
      "-reorder-flush-timeout must be a duration such as 50ms, 1s or 2m, not '50'",
    ),
  );
});
