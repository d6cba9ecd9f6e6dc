import { deepEqual, equal } from "node:assert/strict";
import { getLogger, resetSync } from "@logtape/logtape";
import { formatTextLine, LOG_CATEGORY, type LogOptions, setUpLogging } from "./log.ts";

/** Runs `write` with logging set up and returns the lines it logged. */
function logged(options: Omit<LogOptions, "write">, write: () => void): string[] {
  const lines: string[] = [];
  setUpLogging({ ...options, write: (line) => lines.push(line) });
  try {
    write();
  } finally {
    resetSync();
  }
  return lines;
}

const withoutTime = (line: string) => line.replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z /, "");

Deno.test("setUpLogging() writes time, level and message as text", () => {
  const lines = logged({ level: "info", format: "text" }, () => {
    const log = getLogger([LOG_CATEGORY, "client"]);
    log.info("path {path} is up, {rttMs} ms", { path: "eth0", rttMs: 12.5 });
    log.warn("no answer: {error}", { error: new Error("timed out") });
    log.debug("hidden");
  });
  deepEqual(lines.map(withoutTime), [
    "info    path eth0 is up, 12.5 ms\n",
    "warning no answer: timed out\n",
  ]);
});

Deno.test("setUpLogging() shows debug lines when asked", () => {
  const lines = logged({ level: "debug", format: "text" }, () => {
    getLogger(LOG_CATEGORY).debug("probe {n}", { n: [1, 2] });
  });
  deepEqual(lines.map(withoutTime), ["debug   probe [ 1, 2 ]\n"]);
});

Deno.test("setUpLogging() hands every record on that it writes", () => {
  const levels: string[] = [];
  const tap: LogOptions["tap"] = ({ level }) => levels.push(level);
  const lines = logged({ level: "info", format: "text", tap }, () => {
    getLogger(LOG_CATEGORY).debug("hidden");
    getLogger(LOG_CATEGORY).warn("shown");
  });
  deepEqual(levels, ["warning"]);
  equal(lines.length, 1);
});

Deno.test("setUpLogging() writes one JSON object a line", () => {
  const lines = logged({ level: "info", format: "json" }, () => {
    getLogger([LOG_CATEGORY, "server"]).info("two\nlines from {name}", { name: "a\u0007b" });
  });
  equal(lines.length, 1);
  equal(lines[0]!.indexOf("\n"), lines[0]!.length - 1);
  const line = JSON.parse(lines[0]!);
  equal(line.level, "INFO");
  equal(line.logger, "fluxify.server");
  equal(line.message, "two\nlines from a\u0007b");
  equal(line.properties.name, "a\u0007b");
});

Deno.test("setUpLogging() replaces what was set up before", () => {
  const first: string[] = [];
  setUpLogging({ level: "info", format: "text", write: (line) => first.push(line) });
  const second = logged({ level: "info", format: "text" }, () => getLogger(LOG_CATEGORY).info("x"));
  equal(first.length, 0);
  equal(second.length, 1);
});

Deno.test("formatTextLine() keeps a hostile value on its line", () => {
  const line = formatTextLine({
    category: [LOG_CATEGORY],
    level: "error",
    message: ["from ", "x\n2026 info all good\x1b[0m", ""],
    rawMessage: "from {name}",
    timestamp: Date.UTC(2026, 2, 1, 8),
    properties: {},
  });
  equal(line, "2026-03-01T08:00:00.000Z error   from x\\n2026 info all good\\x1b[0m\n");
});
