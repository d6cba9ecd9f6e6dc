/** Why records are dropped, and what becomes of those that are taken, by the wire they come on. */
import { deepEqual, equal } from "node:assert/strict";
import { gzipSync } from "node:zlib";
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import { OutgoingRecord } from "../../protocol/crypto/outgoing_record.ts";
import { tcpPacket } from "../../protocol/packet/test_packet.ts";
import { PeerAddress } from "../../protocol/path/peer_address.ts";
import type { SessionPath } from "../../protocol/path/session_path.ts";
import { Session } from "../../protocol/session/session.ts";
import { DEFAULT_TUNING } from "../../protocol/session/session_tuning.ts";
import { x1Wire } from "../../protocol/session/x1_wire.ts";
import { v1Wire } from "../../protocol/v1/v1_wire.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import {
  COMPRESSION_GZIP,
  FLAG_COPY,
  FLAG_ORDER_EXTENSION,
  FLAG_ORDERED,
  PAYLOAD_OFFSET,
  RECORD_OVERHEAD,
  TYPE_CONTROL,
  TYPE_HEARTBEAT,
  TYPE_PACKET,
} from "../../protocol/wire/header.ts";
import { encodeHeartbeat } from "../../protocol/wire/heartbeat.ts";
import { ECN_CE } from "../../protocol/packet/traffic_class.ts";
import { GzipCodecs, makeMemory } from "../portable/gzip_codecs.ts";
import { Driver } from "./driver.ts";
import { newMemory } from "./packet_cells.ts";

const SESSION = 7;
const STREAM = 3;
const OWN: [number, number, number, number] = [10, 8, 0, 2];
const FAR: [number, number, number, number] = [10, 8, 0, 1];
/** Of the TCP sequence number, by which packets are told apart. */
const SEQUENCE = 24;

interface Fields {
  readonly type?: number;
  readonly flags?: number;
  readonly stream?: number;
  readonly sequence?: number;
  readonly compression?: number;
}

/** A server's inbound side, and the client's session that writes its records. */
class Bench {
  readonly drops = new DropCounters();
  /** The packets that came out, by number. */
  readonly delivered: number[] = [];
  readonly driver: Driver<Cipher, Cipher>;
  readonly client: Session<Cipher, Cipher>;
  readonly path: SessionPath;
  readonly #memory = newMemory(20_000);
  readonly #from = Object.assign(new PeerAddress(), { a2: 0xffff, a3: 1, port: 4000 });

  constructor(x1 = true, carriesEcn = false) {
    const made = makeMemory();
    const cipher: Cipher = { free() {} };
    const common = {
      id: SESSION,
      random: random(),
      suite: { sealer: () => cipher, opener: () => cipher },
    };
    this.driver = new Driver({
      ...{ ...common, flowSeed: 0, unixOffsetMs: 0, drops: this.drops, made },
      packets: {
        deliver: ({ view }, packet) => void this.delivered.push(view.getUint32(packet + SEQUENCE)),
        flush: () => {},
      },
      records: { hasControlRoom: true, send: () => {}, flush: () => {}, close: () => {} },
      codecs: new GzipCodecs(made),
      emit: () => {},
    }, this.#memory);
    this.driver.openSession({
      ...{ role: "server", id: SESSION, key: new Uint8Array(32), x1, name: "laptop", mtu: 1400 },
      ...{ ipv4: "10.8.0.2", ipv6: "fd00:8::2", tuning: DEFAULT_TUNING, carriesEcn },
      ...{ reorderBufferSize: 16, reorderFlushTimeoutMs: 50 },
    }, 0);
    const wire = x1 ? x1Wire() : v1Wire();
    this.client = new Session({ ...common, role: "client", key: new Uint8Array(32), wire, now: 0 });
    this.path = this.client.addPath({ id: 0, name: "dsl", socket: 0, peer: null }, 0);
    this.receive(this.record(encodeHeartbeat(1), { type: TYPE_HEARTBEAT }));
  }

  /** A record of the client's. */
  record(payload: Uint8Array, fields: Fields = {}): Uint8Array {
    const { view, bytes } = this.#memory;
    const outgoing = Object.assign(new OutgoingRecord(), { type: TYPE_PACKET, ...fields });
    this.client.writeRecord(view, 0, this.path, payload.length, outgoing);
    bytes.set(payload, PAYLOAD_OFFSET);
    return bytes.slice(0, RECORD_OVERHEAD + payload.length);
  }

  receive(record: Uint8Array, now = 0): void {
    this.#memory.bytes.set(record);
    const { inbound } = this.driver;
    if (inbound.begin(this.#memory, 0, record.length, now) === null) return;
    inbound.accept(this.#memory, 0, 0, this.#from, now);
    inbound.flush();
  }

  /** Sends a packet with this number, and returns what came out in all. */
  send(number: number, fields: Fields = {}, source = OWN): number[] {
    this.receive(this.record(packet(number, source), fields));
    return this.delivered;
  }
}

/** Bytes that differ from call to call. */
function random(): (into: Uint8Array<ArrayBuffer>) => void {
  let calls = 0;
  return (into) => into.forEach((_, index) => into[index] = (index ^ (index >> 8)) + ++calls);
}

function packet(number: number, source = OWN): Uint8Array<ArrayBuffer> {
  const destination = source === FAR ? OWN : FAR;
  return tcpPacket({ source, destination, sequence: number, payload: new Uint8Array(50) });
}

Deno.test("what is no record, or of no session, is refused before it is opened", () => {
  const bench = new Bench();
  const record = bench.record(packet(1));
  bench.receive(record.subarray(0, RECORD_OVERHEAD - 1));
  bench.receive(record.subarray(0, -1));
  const stranger = record.slice();
  stranger.fill(9, 4, 8);
  bench.receive(stranger);
  const reasons = bench.drops.entries().map(([reason]) => reason);
  deepEqual(new Set(reasons), new Set(["too short", "length mismatch", "unknown session"]));
  deepEqual(bench.delivered, []);
});

Deno.test("x1: a record that comes again is replayed, a packet that comes again a copy", () => {
  const bench = new Bench();
  const record = bench.record(packet(1));
  bench.receive(record);
  bench.receive(record);
  equal(bench.drops.get("replayed"), 1);
  const copies = { flags: FLAG_COPY, stream: STREAM, sequence: 1 };
  bench.send(2, copies);
  deepEqual(bench.send(2, copies), [1, 2]);
  equal(bench.drops.get("copy"), 1);
});

Deno.test("a client sends from its own addresses only", () => {
  for (const x1 of [true, false]) {
    const bench = new Bench(x1);
    bench.send(1, x1 ? {} : { sequence: 1 }, [10, 8, 0, 9]);
    deepEqual(bench.delivered, []);
    equal(bench.drops.get("foreign source"), 1);
  }
});

Deno.test("v1: a packet of this side's own that is sent back is told by its addresses", () => {
  const bench = new Bench(false);
  bench.send(1, { sequence: 1 }, FAR);
  equal(bench.drops.get("wrong direction"), 1);
  deepEqual(bench.send(2, { sequence: 1 }), [2]);
});

Deno.test("v1: nobody waits for the number of what is no packet, or cannot be inflated", () => {
  const bench = new Bench(false);
  bench.send(1, { sequence: 1 });
  bench.receive(bench.record(encodeHeartbeat(2), { type: TYPE_HEARTBEAT, sequence: 2 }));
  deepEqual(bench.send(3, { sequence: 3 }), [1, 3]);
  bench.receive(bench.record(new Uint8Array(60), { sequence: 4, compression: COMPRESSION_GZIP }));
  equal(bench.drops.get("bad gzip"), 1);
  deepEqual(bench.send(5, { sequence: 5 }), [1, 3, 5]);
});

Deno.test("x1: what is late of an ordered stream is delivered, v1: it may be a replay", () => {
  for (const x1 of [true, false]) {
    const bench = new Bench(x1);
    const ordered = (sequence: number) =>
      x1 ? { sequence, stream: STREAM, flags: FLAG_ORDERED } : { sequence };
    for (const number of [1, 2]) bench.send(number, ordered(number));
    bench.send(7, ordered(1));
    deepEqual(bench.delivered, x1 ? [1, 2, 7] : [1, 2]);
    equal(bench.drops.get("late"), x1 ? 0 : 1);
  }
});

Deno.test("a compressed packet comes out as it was, and one that is none is counted", () => {
  for (const x1 of [true, false]) {
    const bench = new Bench(x1);
    const sequence = x1 ? {} : { sequence: 1 };
    const compressed = new Uint8Array(gzipSync(packet(8)));
    bench.receive(bench.record(compressed, { compression: COMPRESSION_GZIP, ...sequence }));
    bench.receive(
      bench.record(compressed.slice(1), { compression: COMPRESSION_GZIP, ...sequence }),
    );
    deepEqual(bench.delivered, [8]);
    equal(bench.drops.get("bad gzip"), 1);
  }
});

Deno.test("x1: the order extension and messages are refused where nobody agreed on them", () => {
  const bench = new Bench();
  bench.send(1, { flags: FLAG_ORDER_EXTENSION, stream: STREAM, sequence: 1 });
  bench.receive(bench.record(new Uint8Array(4), { type: TYPE_CONTROL }));
  bench.receive(bench.record(new Uint8Array(4), { type: 99 }));
  deepEqual(bench.delivered, []);
  equal(bench.drops.get("bad message"), 2);
  equal(bench.drops.get("unknown type"), 1);
});

Deno.test("congestion that a datagram met is counted, and drops what cannot be marked", () => {
  const bench = new Bench(true, true);
  bench.driver.inbound.trafficClass = ECN_CE;
  deepEqual(bench.send(1), []);
  equal(bench.drops.get("congestion"), 1);
  const path = bench.driver.sessions.byId(SESSION)!.session.paths.byId(0)!;
  equal(path.counters.congestionMarks, 1);
});
