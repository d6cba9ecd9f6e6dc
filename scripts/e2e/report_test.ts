import { deepEqual, equal, match } from "node:assert/strict";
import { formatEnd, formatScenario, makeReport } from "./report.ts";

const GOOD = {
  topic: "e2e faults",
  scenario: "a link is cut",
  passed: true,
  figures: [{ what: "longest gap", value: 661.54, unit: "ms" }, {
    what: "lost",
    value: 0,
    unit: "",
  }],
  seconds: 3.14,
  failure: null,
};
const BAD = {
  ...GOOD,
  scenario: "both are",
  passed: false,
  figures: [],
  failure: "Error: no\nway",
};

Deno.test("a scenario is a line, below its topic", () => {
  const first = formatScenario(GOOD, null);
  match(first, /^\ne2e faults\n {2}ok {4}a link is cut +3\.1 s {2}longest gap 662 ms, lost 0$/);
  match(formatScenario(BAD, GOOD), /^ {2}FAIL {2}both are +3\.1 s$/);
});

Deno.test("the report counts, and shows what failed", () => {
  const report = makeReport([GOOD, BAD], 61.27);
  deepEqual([report.passed, report.failed, report.seconds], [1, 1, 61.3]);
  equal(
    formatEnd(report),
    "\ne2e faults: both are\n    Error: no\n    way\n\n1 passed, 1 failed, 61.3 s",
  );
});
