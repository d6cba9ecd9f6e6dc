import { deepEqual, equal } from "node:assert/strict";
import { formatTally, isGood, type Tally, TallyReader } from "./tally.ts";

function read(text: string, ended: "success" | "failure" | "killed", chunkBytes = 7): Tally {
  const reader = new TallyReader();
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.byteLength; at += chunkBytes) {
    reader.push(bytes.subarray(at, at + chunkBytes));
  }
  return reader.finish(ended);
}

const LINES = `running 4 tests from ./a_test.ts
a ... ok (1ms)
b ...
  step ... ok (0ms)
b ... ok (1s)
netns: c ... ignored (0ms)
d (with words) ... FAILED (633µs)
Uncaught error from ./b_test.ts FAILED
`;

Deno.test("TallyReader trusts the summary of a run that ended", () => {
  const cases: [string, "success" | "failure", Tally][] = [
    ["ok | 3 passed | 0 failed (2ms)", "success", { passed: 3, failed: 0, skipped: 0 }],
    [
      "FAILED | 2 passed (2 steps) | 2 failed (1 step) | 1 ignored (178ms)",
      "failure",
      { passed: 2, failed: 2, skipped: 1 },
    ],
    [
      "ok | 1 passed | 0 failed | 2 ignored (1 step) | 4 filtered out (1m2s)\n\n",
      "success",
      { passed: 1, failed: 0, skipped: 2 },
    ],
    [
      "\x1b[0m\x1b[32mok\x1b[0m | 3 passed | 0 failed \x1b[38;5;245m(2ms)\x1b[0m",
      "success",
      { passed: 3, failed: 0, skipped: 0 },
    ],
  ];
  for (const [summary, ended, tally] of cases) deepEqual(read(LINES + summary, ended), tally);
});

Deno.test("TallyReader takes the last summary, for a test may print one", () => {
  const text = "ok | 9 passed | 0 failed (2ms)\nFAILED | 1 passed | 1 failed (2ms)\n";
  deepEqual(read(text, "failure"), { passed: 1, failed: 1, skipped: 0 });
});

Deno.test("TallyReader counts lines when the run was killed", () => {
  const counted = { passed: 2, failed: 2, skipped: 1 };
  deepEqual(read(LINES, "killed"), counted);
  deepEqual(read(LINES + "ok | 9 passed | 0 failed (2ms)\n", "killed"), counted);
  deepEqual(read("a ... ok (1ms)\nb ...", "killed"), { passed: 1, failed: 1, skipped: 0 });
});

Deno.test("TallyReader never turns a failed run into a good one", () => {
  deepEqual(read("", "failure"), { passed: 0, failed: 1, skipped: 0 });
  deepEqual(read("error: Module not found\n", "failure"), { passed: 0, failed: 1, skipped: 0 });
  deepEqual(read("ok | 3 passed | 0 failed (2ms)", "failure"), {
    passed: 3,
    failed: 1,
    skipped: 0,
  });
});

Deno.test("TallyReader survives a line without end", () => {
  const text = "x".repeat(100_000) + "\na ... ok (1ms)\n";
  deepEqual(read(text, "success", 1000), { passed: 1, failed: 0, skipped: 0 });
});

Deno.test("formatTally() names skipped tests only when there are some", () => {
  equal(formatTally({ passed: 3, failed: 0, skipped: 0 }), "3 passed, 0 failed");
  equal(formatTally({ passed: 3, failed: 1, skipped: 2 }), "3 passed, 1 failed, 2 skipped");
});

Deno.test("isGood() wants something to have run", () => {
  equal(isGood({ passed: 1, failed: 0, skipped: 9 }), true);
  equal(isGood({ passed: 0, failed: 0, skipped: 9 }), false);
  equal(isGood({ passed: 9, failed: 1, skipped: 0 }), false);
});
