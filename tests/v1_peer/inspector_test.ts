/** The peer is only worth something if it notices: each thing it watches for, done once. */
import { deepEqual, equal, match } from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { InnerHost } from "./inner_host.ts";
import { addressBytes, buildPacket, ICMP, ICMPV6, parsePacket, TCP, UDP } from "./packet.ts";
import {
  sealRecord,
  TYPE_HANDSHAKE,
  TYPE_HEARTBEAT,
  TYPE_PACKET,
  type V1Record,
} from "./record.ts";
import { QUEUE_PACKETS_MAX, QUEUE_TIMEOUT_MS, ReorderQueue } from "./reorder_queue.ts";
import { V1Session } from "./v1_session.ts";

const KEY = new Uint8Array(32).fill(7);
const ID = 0x80000001;
const RECORD: V1Record = {
  ...{ type: TYPE_PACKET, session: ID, sequence: 1, isGzip: false },
  payload: new Uint8Array(8),
};

let nonces = 0;

function nextNonce(): Uint8Array {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setUint32(0, ++nonces);
  return nonce;
}

function newSession(): V1Session {
  const random = (into: Uint8Array) => into.set(nextNonce());
  return new V1Session({ role: "server", id: ID, key: KEY, gzip: true, random });
}

/** What the peer has to say to these records. */
function complaints(...records: Partial<V1Record>[]): string[] {
  const session = newSession();
  for (const record of records) {
    session.receive(sealRecord(KEY, nextNonce(), { ...RECORD, ...record }), 0);
  }
  return session.violations.samples;
}

Deno.test("v1 peer: what the document allows is no violation", () => {
  const empty = { sequence: 0, payload: new Uint8Array(0) };
  deepEqual(
    complaints(
      { type: TYPE_HANDSHAKE, ...empty },
      { type: TYPE_HEARTBEAT, sequence: 0 },
      { sequence: 2 },
      { sequence: 1 },
      { sequence: 3, isGzip: true, payload: gzipSync(new Uint8Array(1500)) },
    ),
    [],
  );
});

for (
  const [name, records, complaint] of [
    ["a sequence twice", [{}, {}], /sequence 1 came twice/],
    ["a packet with sequence 0", [{ sequence: 0 }], /sequence 0/],
    ["a heartbeat with a sequence", [{ type: TYPE_HEARTBEAT }], /type 2 with sequence 1/],
    ["a short heartbeat", [
      { type: TYPE_HEARTBEAT, sequence: 0, payload: new Uint8Array(7) },
    ], /heartbeat of 7 bytes/],
    ["a handshake with a payload", [{ type: TYPE_HANDSHAKE, sequence: 0 }], /handshake of 8/],
    ["a type of x1", [{ type: 4 }], /wrong type/],
    ["a foreign session", [{ session: 5 }], /wrong session/],
    ["a bomb", [{ isGzip: true, payload: gzipSync(new Uint8Array(1501)) }], /gzip/],
    ["no gzip", [{ isGzip: true }], /gzip/],
  ] as [string, Partial<V1Record>[], RegExp][]
) {
  Deno.test(`v1 peer: ${name} is a violation`, () => {
    const found = complaints(...records);
    equal(found.length, 1, String(found));
    match(found[0]!, complaint);
  });
}

Deno.test("v1 peer: a nonce that comes twice is a violation", () => {
  const session = newSession();
  const nonce = nextNonce();
  session.receive(sealRecord(KEY, nonce, RECORD), 0);
  session.receive(sealRecord(KEY, nonce, { ...RECORD, sequence: 2 }), 0);
  match(session.violations.samples[0]!, /nonce \w+ came twice/);
});

Deno.test("v1 peer: any byte of a record changed is a violation", () => {
  const datagram = sealRecord(KEY, nextNonce(), RECORD);
  for (const at of datagram.keys()) {
    const session = newSession();
    const changed = datagram.slice();
    changed[at]! ^= 0x10;
    equal(session.receive(changed, 0), null);
    equal(session.violations.total, 1, `byte ${at}`);
  }
});

const PAIRS = [["10.8.0.2", "192.0.2.1"], ["fd00:8::2", "2001:db8::1"]] as const;

for (const [from, to] of PAIRS) {
  const [source, destination] = [addressBytes(from), addressBytes(to)];
  for (const protocol of [source.length === 4 ? ICMP : ICMPV6, TCP, UDP]) {
    Deno.test(`v1 peer: a wrong checksum is noticed (${from}, protocol ${protocol})`, () => {
      const payload = new Uint8Array(27);
      payload.set([0x1f, 0x90, 0x00, 0x07, 0x00, 27]);
      const packet = buildPacket({ source, destination, protocol, payload });
      equal(typeof parsePacket(packet), "object");
      for (const at of packet.keys()) {
        // Traffic class, flow label and hop limit of IPv6 are in no checksum.
        if (source.length === 16 && (at < 4 || at === 6 || at === 7)) continue;
        const changed = packet.slice();
        changed[at]! ^= 0x04;
        const parsed = parsePacket(changed);
        equal(typeof parsed, "string", `byte ${at}`);
      }
    });
  }

  Deno.test(`v1 peer: two hosts ping, echo and refuse each other (${from})`, () => {
    const complain = (what: string) => {
      throw new Error(what);
    };
    const near: InnerHost = new InnerHost({
      ...{ addresses: [from], answersFor: "own", complain },
      send: (packet) => far.receive(packet),
    });
    const far: InnerHost = new InnerHost({
      ...{ addresses: [to], answersFor: "own", complain },
      send: (packet) => near.receive(packet),
    });
    for (const kind of ["ping", "udp", "syn"] as const) {
      near.ask(kind, to, 5, 7, new Uint8Array([1, 2, 3]));
      equal(near.pending, 0, kind);
    }
    equal(far.counters.answered, 3);
  });
}

Deno.test("v1 peer: its queue restores the order past 2^32 and gives a gap up in time", () => {
  const queue = new ReorderQueue(2 ** 32 - 2);
  const packet = (number: number) => new Uint8Array([number]);
  const taken = (now: number) => queue.take(now).map(([number]) => number);
  queue.push(1, packet(3), 0);
  queue.push(2 ** 32 - 2, packet(1), 0);
  deepEqual(taken(0), [1]);
  queue.push(2 ** 32 - 1, packet(2), 1);
  deepEqual(taken(1), [2, 3]);
  queue.push(3, packet(5), 10);
  deepEqual(taken(10 + QUEUE_TIMEOUT_MS - 1), []);
  deepEqual(taken(10 + QUEUE_TIMEOUT_MS), [5]);
  queue.push(2, packet(4), 70);
  queue.push(5, null, 70);
  queue.push(4, packet(6), 70);
  deepEqual(taken(70), [6]);
  equal(queue.late, 1);
  equal(queue.flushes, 1);
  for (let i = 0; i <= QUEUE_PACKETS_MAX; i++) queue.push(7 + i, packet(i), 80);
  equal(taken(80).length, QUEUE_PACKETS_MAX + 1);
});
