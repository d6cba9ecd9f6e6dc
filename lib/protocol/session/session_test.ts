/**
 * A session by itself on x1: what it sends, and when, what it tells, and what it takes from its peer.
 * How two of them go on together is in tests/two_peers.
 */
import { deepEqual, equal } from "node:assert/strict";
import { TYPE_CONTROL } from "../wire/header.ts";
import { encodeTunnelMessage } from "../wire/tunnel_message.ts";
import {
  answersByType,
  answersHandshake,
  lastWords,
  setUpSession,
  stateWithoutAnswer,
  testSession,
} from "./test_session.ts";
import { x1Wire } from "./x1_wire.ts";

testSession("x1", x1Wire);

Deno.test("x1: acknowledgements are of an unknown type unless both sides agreed on them", () => {
  const types = { handshake: null, message: "bad message", feedback: "bad message" };
  deepEqual(answersByType(x1Wire()), { ...types, acknowledgement: "unknown type" });
  const ordersFlows = true;
  deepEqual(answersByType(x1Wire({ ordersFlows })), { ...types, acknowledgement: "bad message" });
});

Deno.test("x1: a handshake is not answered", () => {
  for (const role of ["client", "server"] as const) {
    deepEqual(answersHandshake(x1Wire(), role), []);
  }
});

Deno.test("x1: a client's packets want an answer", () => {
  equal(stateWithoutAnswer(x1Wire()), "suspect");
});

Deno.test("x1: the peer is told that the session ends", () => {
  deepEqual(lastWords(x1Wire()), [TYPE_CONTROL]);
});

Deno.test("x1: a server does as its client says, unless its operator chose", () => {
  const { session, add, events } = setUpSession(x1Wire(), "server");
  const path = add();
  const say = (message: Parameters<typeof encodeTunnelMessage>[0]) =>
    session.receiveControl(TYPE_CONTROL, encodeTunnelMessage(message), path, 0);
  equal(session.packetBytesMax, Infinity);
  equal(say({ type: "paths", usable: [0], scheduler: "stripe", mtu: 1322 }), null);
  equal(session.scheduling.scheduler.name, "stripe");
  equal(session.packetBytesMax, 1322);
  equal(say({ type: "challenge", token: "0".repeat(32) }), "bad message", "that is the server's");
  equal(say({ type: "bye" }), null);
  deepEqual(events(), ["bye"]);
});
