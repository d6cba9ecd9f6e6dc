import { deepEqual, equal } from "node:assert/strict";
import { setUpLogging } from "../../lib/cli/log.ts";
import type { PathState } from "../../lib/protocol/path/liveness.ts";
import { tlsPathName } from "../../lib/status/bond_status.ts";
import { LiveSession } from "./live_session.ts";

const SESSION = 7;

/** What the log says, at `level` and above, while a path goes through `states`. */
function linesOf(
  level: "debug" | "info",
  states: readonly PathState[],
  isExpectedDown?: (path: string) => boolean,
  name = "dsl",
): string[] {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line.trimEnd().slice(25));
  setUpLogging({ level, format: "text", write });
  const session = new LiveSession(isExpectedDown);
  session.expect(SESSION);
  for (const state of states) {
    session.note({
      kind: "path changed",
      session: SESSION,
      path: 0,
      name,
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

Deno.test("a path inside TLS that was never answered is not lost, and one that was is", () => {
  const name = tlsPathName("dsl");
  deepEqual(linesOf("info", ["down", "down"], undefined, name), []);
  deepEqual(linesOf("info", ["up", "down", "down"], undefined, name), [
    "info    link dsl (TLS): path is up",
    "warning link dsl (TLS): path is down",
  ]);
  deepEqual(linesOf("info", ["down"]), ["warning link dsl: path is down"]);
});

Deno.test("LiveSession: silence counts while there is a session that the server has not ended", async () => {
  const session = new LiveSession();
  equal(session.isHeld, false);
  session.expect(7);
  equal(session.isHeld, true);
  session.note(changed(7, "up"));
  await session.provenWithin(60_000, RUNNING);
  session.note(changed(7, "down"));
  equal(session.isHeld, true);
  session.note({ kind: "bye", session: 7 });
  equal(session.isHeld, false);
  session.expect(8);
  equal(session.isHeld, true);
});

const changed = (session: number, state: PathState, path = 0) => ({
  ...{ kind: "path changed", session, path, name: "dsl", state, peer: "" } as const,
});
const RUNNING = new AbortController().signal;

Deno.test("LiveSession: an expected session is in use once a path of it works", async () => {
  const session = new LiveSession();
  session.expect(7);
  deepEqual([session.id, session.latestId], [null, 7]);
  const proven = session.provenWithin(60_000, RUNNING);
  session.note(changed(7, "up"));
  equal(await proven, true);
  deepEqual([session.id, session.isUp, session.isPathUp(0)], [7, true, true]);
});

Deno.test("LiveSession: one that is not proven leaves the session in use as it is", async () => {
  const session = new LiveSession();
  session.expect(7);
  session.note(changed(7, "up"));
  await session.provenWithin(60_000, RUNNING);
  session.expect(8);
  session.note(changed(7, "suspect", 1));
  equal(await session.provenWithin(1, RUNNING), false);
  deepEqual([session.id, session.latestId, session.isUp], [7, 7, true]);
  session.expect(9);
  session.note({ kind: "bye", session: 9 });
  equal(await session.provenWithin(60_000, RUNNING), false);
  deepEqual([session.id, session.isOver], [7, false]);
});

Deno.test("LiveSession: the session in use may be lost while another is expected", async () => {
  const session = new LiveSession();
  session.expect(7);
  session.note(changed(7, "up"));
  await session.provenWithin(60_000, RUNNING);
  session.expect(8);
  session.note({ kind: "bye", session: 7 });
  equal(session.isOver, true);
  session.note(changed(8, "up"));
  equal(await session.provenWithin(60_000, RUNNING), true);
  deepEqual([session.id, session.isOver, session.isUp], [8, false, true]);
});

Deno.test("a renewal that is wanted comes at once, and only once", async () => {
  const session = new LiveSession();
  session.expect(SESSION);
  const path = { kind: "path changed", session: SESSION, path: 0, name: "dsl" } as const;
  session.note({ ...path, state: "up", peer: "203.0.113.10:8000" });
  const { signal } = new AbortController();
  await session.provenWithin(1_000, signal);
  session.renewNow();
  equal(await session.lostOr(60_000, signal), "due");
  const stop = new AbortController();
  const next = session.lostOr(60_000, stop.signal);
  stop.abort();
  equal(await next, "stopped");
});

Deno.test("a session that the engine had to drop is over, and the log says why", async () => {
  const lines: string[] = [];
  const write = (line: string) => void lines.push(line.trimEnd().slice(25));
  setUpLogging({ level: "info", format: "text", write });
  const session = new LiveSession();
  session.expect(SESSION);
  const proven = session.provenWithin(60_000, RUNNING);
  session.note(changed(SESSION, "up"));
  equal(await proven, true);
  session.note({ kind: "session failed", session: SESSION + 1, message: "another one" });
  equal(session.isUp, true);
  session.note({ kind: "session failed", session: SESSION, message: "out of memory" });
  deepEqual([session.isUp, session.isOver], [false, true]);
  setUpLogging({ level: "info", format: "text", write() {} });
  deepEqual(lines.slice(1), [
    "warning the session cannot go on (out of memory): asking for a new one",
  ]);
});
