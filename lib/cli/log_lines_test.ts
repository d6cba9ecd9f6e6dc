import { deepEqual, equal } from "node:assert/strict";
import type { LogRecord } from "@logtape/logtape";
import { LOG_LINES_MAX, LogLines, toLogLine } from "./log_lines.ts";

const record = (level: LogRecord["level"], message: string): LogRecord => ({
  category: ["fluxify"],
  level,
  message: [message],
  rawMessage: message,
  timestamp: Date.UTC(2026, 2, 1, 8, 15, 42),
  properties: {},
});

Deno.test("toLogLine() takes a record apart as it stands in the log, in one line", () => {
  for (const level of ["info", "warning", "error"] as const) {
    deepEqual(toLogLine(record(level, "link one\n\x1b[2J")), {
      time: "08:15:42",
      level,
      text: "link one\\n\\x1b[2J",
      whole: `2026-03-01T08:15:42.000Z ${level.padEnd(7)} link one\\n\\x1b[2J\n`,
    });
  }
});

Deno.test("LogLines keeps the last ones", () => {
  const lines = new LogLines();
  for (let number = 0; number < LOG_LINES_MAX + 5; number++) lines.add(record("info", `${number}`));
  equal(lines.all.length, LOG_LINES_MAX);
  equal(lines.all[0]!.text, "5");
});
