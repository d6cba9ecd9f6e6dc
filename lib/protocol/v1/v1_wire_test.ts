/** A session by itself on the old wire. */
import { deepEqual, equal } from "node:assert/strict";
import {
  answersByType,
  answersHandshake,
  lastWords,
  setUpSession,
  stateWithoutAnswer,
  testSession,
} from "../session/test_session.ts";
import { HEARTBEAT_IDLE_MS } from "../session/heartbeats.ts";
import { TYPE_HANDSHAKE } from "../wire/header.ts";
import { v1Wire } from "./v1_wire.ts";

testSession("v1", v1Wire);

Deno.test("v1: all but handshakes and heartbeats is of an unknown type", () => {
  const unknown = "unknown type";
  deepEqual(answersByType(v1Wire()), {
    ...{ handshake: null, message: unknown, feedback: unknown, acknowledgement: unknown },
  });
});

Deno.test("v1: a client that shakes hands is answered, as it gives the path up else", () => {
  deepEqual(answersHandshake(v1Wire(), "server"), [TYPE_HANDSHAKE]);
  deepEqual(answersHandshake(v1Wire(), "client"), []);
});

Deno.test("v1: packets are not answered, and the end of a session has no word", () => {
  equal(stateWithoutAnswer(v1Wire()), "up");
  deepEqual(lastWords(v1Wire()), []);
});

Deno.test("v1: a client's path is doubted when its heartbeats stay away", () => {
  const { session, add } = setUpSession(v1Wire(), "server");
  const path = add();
  path.heartbeatAt = Infinity;
  path.liveness.heard(0);
  path.lastHeardAt = 0;
  session.handleTimeout(HEARTBEAT_IDLE_MS);
  session.handleTimeout(3 * HEARTBEAT_IDLE_MS);
  equal(path.liveness.state, "up", "two periods of silence are nothing special");
  for (let now = 3 * HEARTBEAT_IDLE_MS; now < 5 * HEARTBEAT_IDLE_MS; now += 100) {
    session.handleTimeout(now);
  }
  equal(path.liveness.state, "down");
});
