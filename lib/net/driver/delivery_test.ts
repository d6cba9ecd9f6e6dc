/** The order in which packets reach the TUN device, and when the device is told to write. */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import { Session } from "../../protocol/session/session.ts";
import { x1Wire } from "../../protocol/session/x1_wire.ts";
import { v1Wire } from "../../protocol/v1/v1_wire.ts";
import { DEFAULT_TUNING } from "../../protocol/session/session_tuning.ts";
import { tcpPacket } from "../../protocol/packet/test_packet.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { Delivery } from "./delivery.ts";
import { newMemory, PacketCells } from "./packet_cells.ts";
import { SessionEntry } from "./sessions.ts";

const SEQUENCE = 24;
const STREAM = 3;
const FLUSH_MS = 50;

/** A server's delivery for one session; packets are told apart by their TCP sequence number. */
class Bench {
  /** The numbers of the packets delivered, and "flush". */
  readonly told: (number | "flush")[] = [];
  readonly drops = new DropCounters();
  readonly cells = new PacketCells();
  readonly entry: SessionEntry<Cipher, Cipher>;
  readonly delivery: Delivery<Cipher, Cipher>;
  readonly #memory = newMemory(20_000);

  constructor(x1: boolean, capacity = 64) {
    const cipher: Cipher = { free() {} };
    const spec = {
      ...{ role: "server" as const, id: 1, key: new Uint8Array(32), x1, name: "laptop" },
      ...{ ipv4: "10.8.0.2", ipv6: "fd00:8::2", mtu: 1400, tuning: DEFAULT_TUNING },
      ...{ reorderBufferSize: capacity, reorderFlushTimeoutMs: FLUSH_MS },
    };
    const wire = x1 ? x1Wire() : v1Wire();
    const suite = { sealer: () => cipher, opener: () => cipher };
    const session = new Session({ ...spec, wire, suite, random: () => {}, now: 0 });
    this.entry = new SessionEntry(session, spec, this.cells);
    const sink = {
      deliver: ({ view }: { view: DataView }, packet: number) =>
        void this.told.push(view.getUint32(packet + SEQUENCE)),
      flush: () => void this.told.push("flush"),
    };
    this.delivery = new Delivery(sink, this.cells, this.drops);
  }

  /** A packet that is to be delivered as the `number`-th. */
  receive(number: number, now = 0, payloadBytes = 100): void {
    const packet = tcpPacket({ sequence: number, payload: new Uint8Array(payloadBytes) });
    this.#memory.bytes.set(packet, 100);
    this.delivery.reorder(
      ...[this.entry, this.entry.spec.x1 ? STREAM : 0, number] as const,
      ...[this.#memory, 100, packet.length, 0, now] as const,
    );
  }

  /** What was told since this was asked last. */
  taken() {
    return this.told.splice(0);
  }
}

Deno.test("held packets follow the one they waited for without a flush in between", () => {
  const bench = new Bench(true);
  for (const number of [4, 2, 3]) bench.receive(number);
  deepEqual(bench.taken(), []);
  bench.receive(1);
  deepEqual(bench.taken(), [1, 2, 3, 4]);
  bench.delivery.flush();
  deepEqual(bench.taken(), ["flush"]);
});

Deno.test("x1: a packet that comes late is delivered, a copy of one held is not", () => {
  const bench = new Bench(true);
  bench.receive(3, 0);
  bench.receive(3, 1);
  bench.delivery.release(bench.entry, FLUSH_MS);
  bench.receive(2, FLUSH_MS + 1);
  deepEqual(bench.taken(), [3, "flush", 2]);
  deepEqual(bench.drops.entries(), [["duplicate", 1]]);
});

Deno.test("v1: a packet that comes late may be a copy, and is dropped", () => {
  const bench = new Bench(false);
  bench.receive(2, 0);
  bench.delivery.release(bench.entry, FLUSH_MS);
  bench.receive(1, FLUSH_MS + 1);
  bench.receive(2, FLUSH_MS + 1);
  deepEqual(bench.taken(), [2, "flush"]);
  deepEqual(bench.drops.entries(), [["late", 2]]);
});

Deno.test("packets far ahead push those that wait out, none is lost", () => {
  const bench = new Bench(true, 4);
  for (const number of [2, 20, 19, 18]) bench.receive(number);
  bench.delivery.release(bench.entry, FLUSH_MS);
  const delivered = bench.taken().filter((told) => told !== "flush");
  deepEqual(delivered.toSorted(), [18, 19, 2, 20]);
  equal(bench.drops.total, 0);
});

Deno.test("where there is no memory to hold a packet it is delivered out of order", () => {
  const bench = new Bench(true, 8192);
  const count = 8 * 1024 * 1024 / 2048;
  for (let number = 2; number < count + 2; number++) bench.receive(number);
  deepEqual(bench.taken(), []);
  bench.receive(count + 2);
  deepEqual(bench.taken(), [count + 2]);
  bench.receive(1);
  const rest = bench.taken();
  equal(rest.length, count + 1);
  ok(rest.every((number, index) => number === index + 1));
  equal(bench.drops.total, 0);
});

Deno.test("what waits is due when its time is over, not before", () => {
  const bench = new Bench(true);
  equal(bench.entry.flushAt, Infinity);
  bench.receive(3, 10);
  bench.receive(5, 20);
  equal(bench.entry.flushAt, 10 + FLUSH_MS);
  bench.delivery.release(bench.entry, 10 + FLUSH_MS);
  deepEqual(bench.taken(), [3, "flush"]);
  equal(bench.entry.flushAt, 20 + FLUSH_MS);
});
