/** For tests: a session by itself, and what holds for one on whatever wire. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import type { Cipher } from "../crypto/key_epochs.ts";
import { OutgoingRecord } from "../crypto/outgoing_record.ts";
import { PATHS_MAX } from "../path/path_table.ts";
import type { SessionPath } from "../path/session_path.ts";
import {
  RECORD_OVERHEAD,
  TYPE_ACKNOWLEDGEMENT,
  TYPE_CONTROL,
  TYPE_HANDSHAKE,
  TYPE_HEARTBEAT,
  TYPE_PATH_FEEDBACK,
} from "../wire/header.ts";
import { encodeHeartbeat } from "../wire/heartbeat.ts";
import { Session } from "./session.ts";
import type { Role } from "./session_options.ts";
import type { WireFormat } from "./wire.ts";

export function setUpSession(wire: WireFormat, role: Role = "client") {
  let ciphers = 0;
  const newCipher = () => {
    ciphers++;
    return { free: () => void ciphers-- };
  };
  const session = new Session<Cipher, Cipher>({
    ...{ role, id: 9, key: new Uint8Array(32), wire, now: 0 },
    suite: { sealer: newCipher, opener: newCipher },
    random: (into) => into.fill(7),
  });
  const add = (id = 0) => session.addPath({ id, name: `link ${id}`, socket: id, peer: null }, 0);
  const sent = () => {
    const types: number[] = [];
    for (let next = session.pollTransmit(); next !== null; next = session.pollTransmit()) {
      types.push(next.type);
    }
    return types;
  };
  const events = () => {
    const told: string[] = [];
    for (let event = session.pollEvent(); event !== null; event = session.pollEvent()) {
      told.push(event.name === "path changed" ? `${event.path.id} ${event.state}` : event.name);
    }
    return told;
  };
  return { session, add, sent, events, ciphers: () => ciphers };
}

/** An answer to the heartbeat of 1 ms, at 21 ms. */
function answer(session: Session<Cipher, Cipher>, path: SessionPath): void {
  equal(session.receiveControl(TYPE_HEARTBEAT, encodeHeartbeat(1), path, 21), null);
}

/** Tests of a session on a wire; `name` is that of the wire. */
export function testSession(name: "x1" | "v1", wire: () => WireFormat): void {
  Deno.test(`${name}: a new path is asked at once, and waits for its answer`, () => {
    const { session, add, sent } = setUpSession(wire());
    const path = add();
    session.handleTimeout(0);
    deepEqual(sent().filter((type) => type !== TYPE_CONTROL), [TYPE_HANDSHAKE, TYPE_HEARTBEAT]);
    equal(session.isReady, false);
    ok(session.nextTimeout() <= 200);
    answer(session, path);
    equal(path.quality.rtt.lastMs, 20);
  });

  Deno.test(`${name}: a link that is gone and back is told, and its path asked again`, () => {
    const { session, add, sent, events } = setUpSession(wire());
    const path = add();
    session.linkFailed(path, 10);
    deepEqual(events(), ["0 down"]);
    path.heartbeatAt = 5000;
    session.linkWorks(path, 20);
    equal(path.heartbeatAt, 20);
    session.handleTimeout(20);
    ok(sent().includes(TYPE_HEARTBEAT));
  });

  Deno.test(`${name}: what waits for a path goes with it, and so does its place`, () => {
    const { session, add, sent, events } = setUpSession(wire());
    add();
    session.handleTimeout(0);
    session.removePath(0, 1);
    deepEqual(sent().filter((type) => type !== TYPE_CONTROL), []);
    deepEqual(events(), ["0 down"]);
    session.removePath(0, 1);
    deepEqual(events(), [], "it is gone");
    for (let id = 0; id < PATHS_MAX; id++) add(id);
    throws(() => add(PATHS_MAX), /Cannot add path 16: the session has too many/);
  });

  Deno.test(`${name}: an address that has proved nothing gets no more than its credit`, () => {
    const { session, add, sent } = setUpSession(wire(), "server");
    const path = add();
    path.heartbeatAt = Infinity;
    const heartbeat = encodeHeartbeat(1);
    path.amplificationCredit = heartbeat.length + RECORD_OVERHEAD;
    for (let count = 0; count < 2; count++) {
      session.receiveControl(TYPE_HEARTBEAT, heartbeat, path, 0);
    }
    path.amplificationCredit--;
    deepEqual(sent(), []);
    path.amplificationCredit++;
    session.receiveControl(TYPE_HEARTBEAT, heartbeat, path, 0);
    deepEqual(sent(), [TYPE_HEARTBEAT]);
  });

  Deno.test(`${name}: a record that is written counts for its path`, () => {
    const { session, add } = setUpSession(wire());
    const path = add();
    path.amplificationCredit = 1000;
    const view = new DataView(new ArrayBuffer(2000));
    session.writeRecord(view, 0, path, 100, new OutgoingRecord());
    equal(path.counters.sentPackets, 1);
    equal(path.counters.sentBytes, 100);
    equal(path.amplificationCredit, 900 - RECORD_OVERHEAD);
  });

  Deno.test(`${name}: the keys are wiped with the session`, () => {
    const { session, ciphers } = setUpSession(wire());
    ok(ciphers() > 0);
    session.free();
    equal(ciphers(), 0);
  });
}

/** Why records of each type with a byte of payload are dropped; null: they are not. */
export function answersByType(wire: WireFormat) {
  const { session, add } = setUpSession(wire);
  const path = add();
  const answer = (type: number) => session.receiveControl(type, new Uint8Array(1), path, 0);
  return {
    handshake: answer(TYPE_HANDSHAKE),
    message: answer(TYPE_CONTROL),
    feedback: answer(TYPE_PATH_FEEDBACK),
    acknowledgement: answer(TYPE_ACKNOWLEDGEMENT),
  };
}

/** What a session sends after a handshake of its peer's. */
export function answersHandshake(wire: WireFormat, role: Role): number[] {
  const { session, add, sent } = setUpSession(wire, role);
  session.receiveControl(TYPE_HANDSHAKE, new Uint8Array(0), add(), 0);
  return sent();
}

/** The state of a client's path whose packet of 900 ms ago has had no answer. */
export function stateWithoutAnswer(wire: WireFormat): string {
  const { session, add } = setUpSession(wire);
  const path = add();
  path.liveness.heard(0);
  path.quality.rttMeasured(10, 0);
  session.notePacketSent(path, 100);
  return path.liveness.poll(1000);
}

/** What a session says when it ends. */
export function lastWords(wire: WireFormat): number[] {
  const { session, add, sent } = setUpSession(wire);
  add().liveness.heard(0);
  session.sayBye();
  return sent();
}
