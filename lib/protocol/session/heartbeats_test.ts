import { deepEqual, equal } from "node:assert/strict";
import { TYPE_HANDSHAKE, TYPE_HEARTBEAT } from "../wire/header.ts";
import { encodeHeartbeat } from "../wire/heartbeat.ts";
import { HEARTBEAT_ACTIVE_MS, HEARTBEAT_IDLE_MS, Heartbeats } from "./heartbeats.ts";
import { Outbox } from "../path/outbox.ts";
import { PathTable } from "../path/path_table.ts";
import type { Role } from "./session_options.ts";

function setUp(role: Role = "client") {
  const paths = new PathTable(0);
  const outbox = new Outbox();
  const heartbeats = new Heartbeats(paths, outbox, role);
  const [path, other] = [0, 1].map((id) => {
    const added = paths.add({ id, name: `link ${id}`, socket: id, peer: null })!;
    added.liveness.heard(0);
    return added;
  });
  const types = () => {
    const sent: number[] = [];
    for (let next = outbox.nextTransmit(); next !== null; next = outbox.nextTransmit()) {
      sent.push(next.type);
    }
    return sent;
  };
  return { outbox, heartbeats, path: path!, other: other!, types };
}

Deno.test("a path that works is asked every 2 s, and every 200 ms while packets flow", () => {
  const { heartbeats, path, types } = setUp();
  heartbeats.send(path, 1000);
  equal(path.heartbeatAt, 1000 + HEARTBEAT_IDLE_MS);
  heartbeats.notePackets(2000);
  heartbeats.send(path, 3999);
  equal(path.heartbeatAt, 3999 + HEARTBEAT_ACTIVE_MS);
  heartbeats.send(path, 4000);
  equal(path.heartbeatAt, 4000 + HEARTBEAT_IDLE_MS);
  deepEqual(types(), [TYPE_HEARTBEAT, TYPE_HEARTBEAT, TYPE_HEARTBEAT]);
});

Deno.test("a path that does not work is asked every 200 ms, with a handshake", () => {
  const { heartbeats, path, types } = setUp();
  path.liveness.linkDown(0);
  heartbeats.send(path, 1000);
  equal(path.heartbeatAt, 1000 + HEARTBEAT_ACTIVE_MS);
  deepEqual(types(), [TYPE_HANDSHAKE, TYPE_HEARTBEAT]);
});

Deno.test("a path that is avoided is asked every 200 ms, so that it is known when it is good", () => {
  const { heartbeats, path } = setUp();
  path.eligibility.recovered(900);
  heartbeats.send(path, 1000);
  equal(path.heartbeatAt, 1000 + HEARTBEAT_ACTIVE_MS);
});

Deno.test("while nothing flows and no path works, each is asked less often by and by", () => {
  const { heartbeats, path, other } = setUp();
  for (const each of [path, other]) each.liveness.linkDown(0);
  const pauses = [];
  let now = 10_000;
  for (let beat = 0; beat < 20; beat++) {
    heartbeats.send(path, now);
    pauses.push(path.heartbeatAt - now);
    now = path.heartbeatAt;
  }
  deepEqual(pauses.slice(0, 10), Array(10).fill(HEARTBEAT_ACTIVE_MS));
  deepEqual(pauses.slice(10, 13), [300, 450, 675]);
  deepEqual(pauses.slice(16), Array(4).fill(HEARTBEAT_IDLE_MS));
  heartbeats.notePackets(now);
  equal(path.heartbeatAt <= now + HEARTBEAT_ACTIVE_MS, true);
  heartbeats.send(path, now);
  equal(path.heartbeatAt, now + HEARTBEAT_ACTIVE_MS);
  path.liveness.linkUp(now);
  path.liveness.heard(now);
  heartbeats.send(path, now + 9000);
  equal(path.heartbeatAt, now + 9000 + HEARTBEAT_IDLE_MS);
  equal(path.doubtBeats, 0);
});

Deno.test("beside a path that works, one that does not is asked twice a second at least", () => {
  const { heartbeats, path } = setUp();
  path.liveness.linkDown(0);
  let now = 10_000;
  for (let beat = 0; beat < 20; beat++, now = path.heartbeatAt) heartbeats.send(path, now);
  equal(path.heartbeatAt - now, 0);
  heartbeats.send(path, now);
  equal(path.heartbeatAt - now, 500);
});

Deno.test("a path that is avoided while nothing flows is asked less often soon", () => {
  const { heartbeats, path } = setUp();
  path.eligibility.recovered(900);
  const pauses = [];
  for (let beat = 0, now = 10_000; beat < 12; beat++, now = path.heartbeatAt) {
    heartbeats.send(path, now);
    pauses.push(path.heartbeatAt - now);
  }
  deepEqual(pauses.slice(0, 5), [200, 200, 200, 300, 450]);
  equal(pauses.at(-1), HEARTBEAT_IDLE_MS);
});

Deno.test("the first packet after a rest has every path asked soon, those that follow do not", () => {
  const { heartbeats, path, other } = setUp();
  for (const each of [path, other]) heartbeats.send(each, 1000);
  heartbeats.notePackets(1500);
  deepEqual([path, other].map(({ heartbeatAt }) => heartbeatAt), [1700, 1700]);
  path.heartbeatAt = 9000;
  heartbeats.notePackets(1600);
  equal(path.heartbeatAt, 9000);
});

Deno.test("the server asks nobody, and answers with what it was sent", () => {
  const { heartbeats, outbox, path } = setUp("server");
  heartbeats.notePackets(1500);
  equal(path.heartbeatAt, Infinity);
  const payload = encodeHeartbeat(1234.5);
  equal(heartbeats.receive(payload, path, 2000), null);
  payload.fill(0);
  deepEqual(outbox.nextTransmit(), {
    ...{ type: TYPE_HEARTBEAT, path },
    payload: encodeHeartbeat(1234.5),
  });
  equal(path.quality.rtt.count, 0);
});

Deno.test("the client takes the round trip from the answer, and refuses one from the future", () => {
  const { heartbeats, outbox, path } = setUp();
  equal(heartbeats.receive(encodeHeartbeat(1000), path, 1042), null);
  equal(path.quality.rtt.lastMs, 42);
  equal(heartbeats.receive(encodeHeartbeat(2000), path, 1999), "bad message");
  for (const length of [0, 7, 9]) {
    equal(heartbeats.receive(new Uint8Array(length), path, 2000), "bad message");
  }
  equal(path.quality.rtt.count, 1);
  equal(outbox.nextTransmit(), null);
});

Deno.test("a heartbeat that was answered is not lost, whatever its clock", () => {
  const { heartbeats, path } = setUp();
  for (let now = 0.123_456_789; now < 10_000; now += 200.000_000_1) {
    heartbeats.send(path, now);
    heartbeats.receive(encodeHeartbeat(now), path, now + 20);
  }
  equal(path.quality.loss(10_000), 0);
});

Deno.test("what is asked on a path and what is answered is counted", () => {
  const { heartbeats, path, other } = setUp();
  for (const now of [1000, 1200, 1400]) heartbeats.send(path, now);
  heartbeats.receive(encodeHeartbeat(1200), path, 1240);
  equal(path.counters.heartbeatsSent, 3);
  equal(path.counters.heartbeatsAnswered, 1);
  equal(other.counters.heartbeatsSent, 0);
});
