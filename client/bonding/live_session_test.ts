import { deepEqual } from "node:assert/strict";
import { setUpLogging } from "../../lib/cli/log.ts";
import type { PathState } from "../../lib/protocol/path/liveness.ts";
import { LiveSession } from "./live_session.ts";

const SESSION = 7;

/** What the log says, at `level` and above, while a path goes through `states`. */
function linesOf(
  level: "debug" | "info",
  states: readonly PathState[],
  isUnusable?: (link: string) => boolean,
): string[] {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line.trimEnd().slice(25));
  setUpLogging({ level, format: "text", write });
  const session = new LiveSession(isUnusable);
  session.begin(SESSION);
  for (const state of states) {
    session.note({
      kind: "path changed",
      session: SESSION,
      path: 0,
      name: "dsl",
      state,
      peer: "203.0.113.10:8000",
    });
  }
  setUpLogging({ level: "info", format: "text", write() {} });
  return lines;
}

Deno.test("a link that loses packets does not fill the log with doubts that pass", () => {
  deepEqual(linesOf("info", ["up", "suspect", "up", "suspect", "up"]), [
    "info    link dsl: path is up",
  ]);
  deepEqual(linesOf("debug", ["up", "suspect", "up"]), [
    "info    link dsl: path is up",
    "debug   link dsl: path is suspect",
    "debug   link dsl: path is up",
  ]);
});

Deno.test("a path that is lost and comes back is always told", () => {
  deepEqual(linesOf("info", ["up", "suspect", "down", "up"]), [
    "info    link dsl: path is up",
    "warning link dsl: path is down",
    "info    link dsl: path is up",
  ]);
});

Deno.test("a path that is down because its link was told to be is for -v only", () => {
  deepEqual(linesOf("info", ["up", "down", "up"], (link) => link === "dsl"), [
    "info    link dsl: path is up",
    "info    link dsl: path is up",
  ]);
});
