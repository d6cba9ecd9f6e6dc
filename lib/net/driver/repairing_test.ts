/** Repair records at the receiver: what becomes of packets that got lost, and of records that lie. */
import { deepEqual, equal } from "node:assert/strict";
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import { OutgoingRecord } from "../../protocol/crypto/outgoing_record.ts";
import { tcpPacket } from "../../protocol/packet/test_packet.ts";
import { PeerAddress } from "../../protocol/path/peer_address.ts";
import { RepairGroup } from "../../protocol/path/repair_group.ts";
import { Session } from "../../protocol/session/session.ts";
import { DEFAULT_TUNING } from "../../protocol/session/session_tuning.ts";
import { x1Wire } from "../../protocol/session/x1_wire.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import {
  FLAG_ORDER_EXTENSION,
  PAYLOAD_OFFSET,
  RECORD_OVERHEAD,
  TYPE_HEARTBEAT,
  TYPE_PACKET,
  TYPE_REPAIR,
} from "../../protocol/wire/header.ts";
import { encodeHeartbeat } from "../../protocol/wire/heartbeat.ts";
import {
  encodeOrderExtension,
  ORDER_EXTENSION_LENGTH,
} from "../../protocol/wire/order_extension.ts";
import { encodeRepairPrefix, REPAIR_PREFIX_LENGTH } from "../../protocol/wire/repair.ts";
import { GzipCodecs, makeMemory } from "../portable/gzip_codecs.ts";
import { Driver } from "./driver.ts";
import { newMemory } from "./packet_cells.ts";
import { Repairing, RepairMemory } from "./repairing.ts";

const STREAM = 3;
/** Of the TCP sequence number, by which packets are told apart. */
const SEQUENCE = 24;
const UNUSED_MS = 10_000;

/** A server's driver, and the client's session that writes its records. */
class Bench {
  readonly drops = new DropCounters();
  readonly delivered: number[] = [];
  readonly driver: Driver<Cipher, Cipher>;
  readonly client: Session<Cipher, Cipher>;
  readonly group = new RepairGroup(0);
  now = 0;
  readonly #memory = newMemory(20_000);
  readonly #from = Object.assign(new PeerAddress(), { a2: 0xffff, a3: 1, port: 4000 });

  constructor(readonly id = 7, repairs = true) {
    const made = makeMemory();
    const cipher: Cipher = { free() {} };
    const common = {
      random: (into: Uint8Array<ArrayBuffer>) => void into.fill(1),
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
      ...{ role: "server", id, key: new Uint8Array(32), x1: true, name: "laptop", mtu: 1400 },
      ...{ ipv4: "10.8.0.2", ipv6: "fd00:8::2", tuning: DEFAULT_TUNING, ordersFlows: true },
      ...{ reorderBufferSize: 16, reorderFlushTimeoutMs: 50, repairs },
    }, 0);
    const wire = x1Wire({ ordersFlows: true, repairs });
    this.client = new Session({
      ...{ ...common, id, role: "client", key: new Uint8Array(32), wire, now: 0 },
    });
    for (const path of [0, 1]) {
      this.client.addPath({ id: path, name: `link ${path}`, socket: path, peer: null }, 0);
      this.receive(this.record(encodeHeartbeat(1), TYPE_HEARTBEAT, path));
    }
  }

  get entry() {
    return this.driver.sessions.byId(this.id)!;
  }

  get repaired(): number {
    return this.entry.session.paths.byId(0)!.counters.repairedPackets;
  }

  /** A record of the client's. */
  record(
    payload: Uint8Array,
    type: number,
    path: number,
    fields: Partial<OutgoingRecord> = {},
  ): Uint8Array {
    const { view, bytes } = this.#memory;
    const outgoing = Object.assign(new OutgoingRecord(), fields, { type });
    this.client.writeRecord(view, 0, this.client.paths.byId(path)!, payload.length, outgoing);
    bytes.set(payload, PAYLOAD_OFFSET);
    return bytes.slice(0, RECORD_OVERHEAD + payload.length);
  }

  receive(record: Uint8Array): void {
    this.#memory.bytes.set(record);
    const { inbound } = this.driver;
    if (inbound.begin(this.#memory, 0, record.length, this.now) === null) return;
    inbound.accept(this.#memory, 0, 0, this.#from, this.now);
    inbound.flush();
  }

  /** The record of packet `number`, which leaves on path 0 and is covered. */
  packet(number: number): Uint8Array {
    const packet = tcpPacket({
      ...{ source: [10, 8, 0, 2], destination: [10, 8, 0, 1], sequence: number },
      payload: Uint8Array.from({ length: 50 + number % 7 }, (_, at) => at + number),
    });
    const plain = new Uint8Array(packet.length + ORDER_EXTENSION_LENGTH);
    plain.set(packet);
    const view = new DataView(plain.buffer);
    encodeOrderExtension(view, packet.length, { order: number, paths: 3, flags: 1 });
    const fields = {
      ...{ flags: FLAG_ORDER_EXTENSION, compression: 0, sequence: number, stream: STREAM },
    };
    const record = this.record(plain, TYPE_PACKET, 0, fields);
    const { epoch, counter } = this.client.wire.writer;
    this.group.cover(epoch, counter, fields, view, 0, plain.length, this.now);
    return record;
  }

  /** The repair record of what was covered since the last one, on path 1. */
  repair(change: (payload: Uint8Array) => void = () => {}): Uint8Array {
    const { parity, prefix, payloadLength } = this.group;
    const payload = new Uint8Array(payloadLength);
    encodeRepairPrefix(new DataView(payload.buffer), 0, prefix);
    payload.set(parity.bytes.subarray(0, parity.longest), REPAIR_PREFIX_LENGTH);
    change(payload);
    const { flags, compression, sequence, stream } = parity;
    const fields = { flags, compression, sequence, stream };
    this.group.sent();
    return this.record(payload, TYPE_REPAIR, 1, fields);
  }

  /** Packets from `first` on, but those that get lost, and their repair record. */
  burst(first: number, lost: readonly number[], count = 4): Uint8Array[] {
    const late: Uint8Array[] = [];
    for (let number = first; number < first + count; number++) {
      const record = this.packet(number);
      if (lost.includes(number)) late.push(record);
      else this.receive(record);
    }
    this.receive(this.repair());
    return late;
  }
}

Deno.test("a packet that got lost is delivered in its place, and its late original is a duplicate", () => {
  const bench = new Bench();
  // The window begins with the first repair record.
  bench.burst(1, []);
  const [late] = bench.burst(5, [6]);
  deepEqual(bench.delivered, [1, 2, 3, 4, 5, 6, 7, 8]);
  equal(bench.repaired, 1);
  bench.receive(late!);
  deepEqual(bench.delivered, [1, 2, 3, 4, 5, 6, 7, 8]);
  equal(bench.drops.get("duplicate"), 1);
});

Deno.test("a packet that comes after all, before its repair record, is delivered once", () => {
  const bench = new Bench();
  bench.burst(1, []);
  const records = [5, 6, 7].map((number) => bench.packet(number));
  const repair = bench.repair();
  for (const record of [records[0]!, records[2]!, records[1]!, repair]) bench.receive(record);
  deepEqual(bench.delivered, [1, 2, 3, 4, 5, 6, 7]);
  equal(bench.repaired + bench.drops.total, 0);
});

Deno.test("of two that got lost none is had back, unless one comes after all", () => {
  const bench = new Bench();
  bench.burst(1, []);
  const late = bench.burst(5, [6, 7]);
  deepEqual(bench.delivered, [1, 2, 3, 4, 5]);
  // The first that comes after all brings the other one, too.
  bench.receive(late[0]!);
  deepEqual(bench.delivered, [1, 2, 3, 4, 5, 6, 7, 8]);
  bench.receive(late[1]!);
  deepEqual(bench.delivered, [1, 2, 3, 4, 5, 6, 7, 8]);
  equal(bench.drops.get("duplicate"), 1);
});

Deno.test("the last packet of a burst is had back when its path has had its time", () => {
  const bench = new Bench();
  bench.burst(1, []);
  bench.burst(5, [8]);
  deepEqual(bench.delivered, [1, 2, 3, 4, 5, 6, 7]);
  bench.now = bench.entry.repairAt;
  bench.driver.tick(bench.now);
  deepEqual(bench.delivered, [1, 2, 3, 4, 5, 6, 7, 8]);
});

Deno.test("repair records that cannot be true change nothing and are counted", () => {
  const lies: ((payload: Uint8Array) => void)[] = [
    // No record is covered; none was sent so far ahead; no packet is so long; bytes behind its end.
    (payload) => payload[3] = 0,
    (payload) => payload[5] = 0xff,
    (payload) => payload[8] = 0xff,
    (payload) => payload[payload.length - 1]! ^= 0xff,
  ];
  for (const [index, lie] of lies.entries()) {
    const bench = new Bench();
    bench.burst(1, []);
    const records = [50, 56, 57].map((number) => bench.packet(number));
    bench.receive(records[0]!);
    bench.receive(records[2]!);
    bench.receive(bench.repair(lie));
    equal(bench.drops.get("bad repair"), 1, `${index}`);
    equal(bench.repaired, 0);
  }
});

Deno.test("a repair record is refused where nobody agreed on it, or when it is replayed", () => {
  const stranger = new Bench(7, false);
  stranger.burst(1, [2]);
  equal(stranger.drops.get("unknown type"), 1);
  equal(stranger.entry.repairing, null);
  const bench = new Bench();
  bench.burst(1, []);
  bench.receive(bench.packet(5));
  const repair = bench.repair();
  bench.receive(repair);
  bench.receive(repair);
  equal(bench.drops.get("replayed"), 1);
});

Deno.test("a path that is not there is none to repair, and the memory of one unused is given back", () => {
  const bench = new Bench();
  bench.packet(1);
  bench.receive(bench.repair((payload) => payload[0] = 200));
  equal(bench.entry.repairing!.isUsed, false);
  bench.burst(2, []);
  equal(bench.entry.repairing!.isUsed, true);
  bench.now = UNUSED_MS;
  bench.driver.tick(bench.now);
  deepEqual([bench.entry.repairing, bench.entry.repairAt], [null, Infinity]);
  const removed = new Bench();
  removed.burst(1, []);
  removed.driver.removePath(7, 0, 0);
  removed.now = UNUSED_MS;
  removed.driver.tick(removed.now);
  deepEqual([removed.entry.repairing, removed.entry.repairAt], [null, Infinity]);
});

Deno.test("sessions share a bound of memory: beyond it packets are not had back, and go on", () => {
  const bench = new Bench();
  const memory = new RepairMemory();
  memory.windows = 64;
  const full = bench.entry.repairing = new Repairing(memory);
  bench.burst(1, []);
  bench.burst(5, [6]);
  equal(full.isUsed, false);
  deepEqual([bench.delivered, bench.repaired], [[1, 2, 3, 4, 5], 0]);
  memory.windows = 0;
  bench.burst(9, []);
  equal(memory.windows, 1);
  full.free();
  equal(memory.windows, 0);
});
