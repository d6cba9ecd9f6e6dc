/** What a driver does for many sessions at a time: who is looked at, and who is not touched by a failure. */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import { DEFAULT_TUNING } from "../../protocol/session/session_tuning.ts";
import type { SessionPath } from "../../protocol/path/session_path.ts";
import { TYPE_CONTROL } from "../../protocol/wire/header.ts";
import { encodeTunnelMessage } from "../../protocol/wire/tunnel_message.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { type IpFields, ipPacket, tcpPacket } from "../../protocol/packet/test_packet.ts";
import type { EngineEvent } from "../engine.ts";
import { SESSION_IDLE_MS } from "../engine.ts";
import { GzipCodecs, makeMemory } from "../portable/gzip_codecs.ts";
import { Driver } from "./driver.ts";
import { Offload, OFFLOAD_TCP } from "./offload.ts";
import { newMemory } from "./packet_cells.ts";

const SESSIONS = 24;

/** A client's driver for many servers, whose records go nowhere. */
class Bench {
  readonly events: EngineEvent[] = [];
  readonly sent: { session: number; path: number; at: number }[] = [];
  readonly closed: SessionPath[] = [];
  readonly drops = new DropCounters();
  /** The session whose keys cannot be used, or -1. */
  broken = -1;
  readonly read = newMemory(70_000);
  readonly driver: Driver<Cipher, Cipher>;

  constructor(role: "client" | "server" = "client") {
    const made = makeMemory();
    const cipher: Cipher = { free() {} };
    this.driver = new Driver<Cipher, Cipher>({
      suite: { sealer: () => cipher, opener: () => cipher },
      random: () => {},
      flowSeed: 1,
      unixOffsetMs: 0,
      drops: this.drops,
      packets: { deliver: () => {}, flush: () => {} },
      records: {
        hasControlRoom: true,
        send: (entry, path, _memory, _payload, _length, _outgoing, at) => {
          if (entry.session.id === this.broken) throw new Error("the key is gone");
          this.sent.push({ session: entry.session.id, path: path.id, at });
        },
        flush: () => {},
        close: (path) => void this.closed.push(path),
      },
      codecs: new GzipCodecs(made),
      made,
      emit: (event) => void this.events.push(event),
    }, this.read);
    for (let id = 1; id <= SESSIONS; id++) {
      this.driver.openSession({
        ...{ role, id, key: new Uint8Array(32), x1: true, name: `client ${id}`, mtu: 1400 },
        ...{ ipv4: `10.8.0.${id + 1}`, ipv6: `fd00:8::${id + 1}` },
        ...{ reorderBufferSize: 16, reorderFlushTimeoutMs: 50, tuning: DEFAULT_TUNING },
      }, 0);
    }
  }

  addPath(session: number): SessionPath {
    const path = { id: 0, name: "fiber", socket: session, peer: null };
    return this.driver.addPath(session, path, 0)!;
  }

  /** Hands over a packet for the client of a session. */
  forward(session: number, now: number): void {
    const destination = [10, 8, 0, session + 1];
    const packet = tcpPacket({ source: [10, 8, 0, 1], destination });
    this.read.bytes.set(packet);
    this.driver.outbound.forward(0, packet.length, new Offload(), now);
  }
}

Deno.test("a v1 client's packets are numbered on from session to session", () => {
  const bench = new Bench("server");
  const open = (id: number, name: string, x1 = false) => {
    bench.driver.openSession({
      ...{ role: "server", id, key: new Uint8Array(32), x1, name, mtu: 1400 },
      ...{ ipv4: "10.8.0.99", ipv6: "fd00:8::99" },
      ...{ reorderBufferSize: 16, reorderFlushTimeoutMs: 50, tuning: DEFAULT_TUNING },
    }, 1000);
    return bench.driver.sessions.byId(id)!.session;
  };
  const first = open(101, "old").nextSequence(0);
  const second = open(102, "old");
  deepEqual([second.nextSequence(0), second.nextSequence(0)], [first + 1, first + 2]);
  bench.driver.closeSession(101, 2000);
  bench.driver.closeSession(102, 2000);
  equal(open(103, "old").nextSequence(0), first + 3, "also after those before have ended");
  equal(open(104, "new").nextSequence(0), first);
  equal(open(105, "old", true).nextSequence(0), 1, "x1 begins each session at 1");
});

Deno.test("a session that cannot send ends alone, and says why", () => {
  const bench = new Bench();
  const [, second] = [bench.addPath(1), bench.addPath(2)];
  bench.broken = 2;
  bench.driver.tick(0);
  deepEqual(bench.events, [{ kind: "session failed", session: 2, message: "the key is gone" }]);
  deepEqual(bench.closed, [second]);
  equal(bench.driver.sessions.byId(2), undefined);
  equal(bench.driver.sessions.size, SESSIONS - 1);
  deepEqual([...new Set(bench.sent.map(({ session }) => session))], [1]);
  const before = bench.sent.length;
  bench.driver.tick(SESSION_IDLE_MS - 1);
  ok(bench.sent.length > before, "the others go on");
});

Deno.test("what a packet makes a session throw is that session's end", () => {
  const bench = new Bench("server");
  const { session } = bench.driver.sessions.byId(3)!;
  session.notePacketSent = () => {
    throw new Error("out of memory");
  };
  session.paths.lastHeard = () => {
    throw new Error("out of memory");
  };
  bench.forward(4, 5);
  bench.forward(3, 5);
  bench.forward(5, 5);
  deepEqual(bench.events, [{ kind: "session failed", session: 3, message: "out of memory" }]);
  equal(bench.driver.sessions.size, SESSIONS - 1);
});

Deno.test("multicast is for nobody in a tunnel; an address without a session is a drop", () => {
  const bench = new Bench("server");
  const send = (fields: Partial<IpFields>) => {
    const packet = ipPacket(fields);
    bench.read.bytes.set(packet);
    equal(bench.driver.outbound.forward(0, packet.length, new Offload(), 5), 1);
  };
  const group6 = [0xff, 2, ...Array(13).fill(0), 2];
  send({ version: 6, protocol: 58, destination: group6 });
  send({ protocol: 2, destination: [224, 0, 0, 22] });
  send({ protocol: 17, destination: [239, 255, 255, 250] });
  deepEqual(bench.drops.entries(), []);
  send({ destination: [10, 8, 0, 200] });
  send({ destination: [240, 0, 0, 1] });
  send({ version: 6, destination: [0xfd, ...Array(14).fill(0), 9] });
  deepEqual(bench.drops.entries(), [["no session for destination", 3]]);
});

Deno.test("a session that cannot be closed cleanly is gone all the same", () => {
  const bench = new Bench();
  const { session } = bench.driver.sessions.byId(7)!;
  session.sayBye = session.free = () => {
    throw new Error("no more");
  };
  bench.driver.close(1);
  equal(bench.driver.sessions.size, 0);
  deepEqual(bench.events, [{ kind: "session failed", session: 7, message: "no more" }]);
});

Deno.test("a turn looks only at sessions that something has happened to", () => {
  const bench = new Bench();
  bench.driver.tick(0);
  bench.driver.tick(100);
  const asked: number[] = [];
  for (const { session } of bench.driver.sessions) {
    const poll = session.pollTransmit.bind(session);
    session.pollTransmit = () => {
      asked.push(session.id);
      return poll();
    };
  }
  bench.addPath(5);
  bench.driver.turn(101);
  deepEqual([...new Set(asked)], [5]);
  bench.driver.turn(102);
  deepEqual([...new Set(asked)], [5], "nothing has happened since");
});

Deno.test("idle sessions are waited for all together, and dropped when their time is over", () => {
  const bench = new Bench("server");
  let ticks = 0;
  for (let now = 0; now < 60_000; now = Math.max(now + 1, bench.driver.nextTick)) {
    bench.driver.tick(now);
    ticks++;
  }
  ok(ticks < 20, `${ticks} wake-ups in a minute`);
  bench.driver.tick(SESSION_IDLE_MS);
  equal(bench.driver.sessions.size, 0);
  equal(bench.events.filter(({ kind }) => kind === "idle").length, SESSIONS);
  equal(bench.driver.nextTick, Infinity);
});

/** A TCP super-packet for the client of a session. */
function superPacket(session: number, payloadBytes: number): Uint8Array {
  return tcpPacket({
    source: [10, 8, 0, 1],
    destination: [10, 8, 0, session + 1],
    payload: new Uint8Array(payloadBytes),
  });
}

for (const [payloadBytes, segmentSize, expected] of [[60_000, 48, 1250], [65_000, 1, 0]] as const) {
  Deno.test(`a super-packet in segments of ${segmentSize} bytes makes ${expected} packets`, () => {
    const bench = new Bench("client");
    // A client uses its first session until another one is heard.
    bench.addPath(1);
    const packet = superPacket(1, payloadBytes);
    bench.read.bytes.set(packet);
    const offload = Object.assign(new Offload(), { kind: OFFLOAD_TCP, segmentSize });
    const before = bench.sent.length;
    bench.driver.outbound.forward(0, packet.length, offload, 1);
    equal(bench.sent.length - before, expected);
    equal(bench.drops.get("bad offload request"), expected === 0 ? 1 : 0);
  });
}

Deno.test("control records that have no room to wait are counted", () => {
  const bench = new Bench();
  const path = bench.addPath(5);
  bench.driver.tick(0);
  const { session } = bench.driver.sessions.byId(5)!;
  const challenge = encodeTunnelMessage({ type: "challenge", token: "ab".repeat(16) });
  for (let asked = 0; asked < 70; asked++) session.receiveControl(TYPE_CONTROL, challenge, path, 1);
  bench.driver.touch(bench.driver.sessions.byId(5)!, 1);
  const before = bench.sent.length;
  bench.driver.turn(1);
  equal(bench.sent.length - before, 64);
  equal(bench.drops.get("send buffer full"), 6);
  bench.driver.touch(bench.driver.sessions.byId(5)!, 2);
  bench.driver.turn(2);
  equal(bench.drops.get("send buffer full"), 6, "each once");
});
