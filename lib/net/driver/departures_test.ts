/** Packets that a scheduler holds back: stored, sealed when they leave, given up, sent again. */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { Cipher } from "../../protocol/crypto/key_epochs.ts";
import type { SessionPath } from "../../protocol/path/session_path.ts";
import { Departure, type Scheduler } from "../../protocol/schedule/scheduler.ts";
import { tcpPacket } from "../../protocol/packet/test_packet.ts";
import { DEFAULT_TUNING } from "../../protocol/session/session_tuning.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { TYPE_PACKET } from "../../protocol/wire/header.ts";
import { GzipCodecs, makeMemory } from "../portable/gzip_codecs.ts";
import { Driver } from "./driver.ts";
import { Offload } from "./offload.ts";
import { newMemory } from "./packet_cells.ts";

const SEQUENCE = 24;

/** Lets one packet leave every 2 ms, in the order in which they were offered. */
class EverySecondMs implements Scheduler {
  acknowledged(): boolean {
    return false;
  }
  recordWritten(): void {}
  readonly name = "stripe";
  readonly holdsPackets = true;
  readonly storesPackets = true;
  readonly spreadsFlows = false;
  readonly usesEveryPath = false;
  readonly held: number[] = [];
  /** What becomes of the next packet: it leaves, is given up, or leaves and is kept. */
  next: "leave" | "give up" | "keep" = "leave";
  nextAt = 0;
  readonly #departure = new Departure();

  constructor(readonly path: SessionPath) {}

  pathsChanged(): void {}
  pathRemoved(): void {}
  feedbackReceived(): void {}

  begin(): boolean {
    return true;
  }

  offer(slot: number): null {
    this.held.push(slot);
    return null;
  }

  poll(now: number): Departure | null {
    if (now < this.nextAt || this.held.length === 0) return null;
    const departure = this.#departure;
    departure.slot = this.held.shift()!;
    departure.paths = this.next === "give up" ? [] : [this.path];
    departure.stream = 1;
    departure.isKept = this.next === "keep";
    if (departure.isKept) this.held.unshift(departure.slot);
    this.nextAt = now + 2;
    return departure;
  }

  loadOf() {
    return { capacity: null, queuedBytes: 0, queuedMs: 0, retransmitted: 0, reinjected: 0 };
  }

  nextDeparture(): number {
    return this.held.length === 0 ? Infinity : this.nextAt;
  }
}

interface Sent {
  number: number;
  at: number;
  sendTime: number;
  sequence: number;
}

class Bench {
  readonly sent: Sent[] = [];
  readonly drops = new DropCounters();
  readonly scheduler: EverySecondMs;
  readonly driver: Driver<Cipher, Cipher>;
  readonly #read = newMemory(20_000);

  constructor() {
    const made = makeMemory();
    const cipher: Cipher = { free() {} };
    this.driver = new Driver<Cipher, Cipher>({
      suite: { sealer: () => cipher, opener: () => cipher },
      ...{ random: () => {}, flowSeed: 1, unixOffsetMs: 0, drops: this.drops, made },
      packets: { deliver: () => {}, flush: () => {} },
      records: {
        hasControlRoom: true,
        send: (_entry, _path, { view }, payload, _length, outgoing, at) => {
          if (outgoing.type !== TYPE_PACKET) return;
          const { sendTime, sequence } = outgoing;
          this.sent.push({ number: view.getUint32(payload + SEQUENCE), at, sendTime, sequence });
        },
        flush: () => {},
        close: () => {},
      },
      codecs: new GzipCodecs(made),
      emit: () => {},
    }, this.#read);
    this.driver.openSession({
      ...{ role: "client", id: 1, key: new Uint8Array(32), x1: true, name: "laptop", mtu: 9000 },
      ...{ ipv4: "10.8.0.2", ipv6: "fd00:8::2", reorderBufferSize: 16 },
      ...{ reorderFlushTimeoutMs: 50, tuning: { ...DEFAULT_TUNING, compression: "off" } },
    }, 0);
    const path = this.driver.addPath(1, { id: 0, name: "fiber", socket: 0, peer: null }, 0)!;
    this.scheduler = new EverySecondMs(path);
    this.useScheduler(this.scheduler);
  }

  useScheduler(scheduler: Scheduler): void {
    Object.defineProperty(this.driver.sessions.byId(1)!.session.scheduling, "scheduler", {
      ...{ get: () => scheduler, configurable: true },
    });
  }

  put(number: number, now: number, payloadBytes = 100): void {
    const packet = tcpPacket({ sequence: number, payload: new Uint8Array(payloadBytes) });
    this.#read.bytes.set(packet);
    this.driver.outbound.forward(0, packet.length, new Offload(), now);
    this.driver.turn(now);
  }

  /** Does what is due until then, at the times the driver asks for. */
  runUntil(end: number): void {
    for (let now = this.driver.nextTick; now <= end; now = this.driver.nextTick) {
      this.driver.tick(now);
    }
  }

  get stored(): number {
    return this.driver.sessions.byId(1)!.store.count;
  }
}

Deno.test("packets that are held leave when the scheduler says so, with the time of that moment", () => {
  const bench = new Bench();
  bench.scheduler.nextAt = 10;
  for (const number of [1, 2, 3]) bench.put(number, 5);
  deepEqual([bench.sent, bench.stored], [[], 3]);
  bench.runUntil(30);
  deepEqual(bench.sent.map(({ number }) => number), [1, 2, 3]);
  deepEqual(bench.sent.map(({ at }) => at), [10, 12, 14]);
  deepEqual(bench.sent.map(({ sendTime }) => sendTime), [10_000, 12_000, 14_000]);
  deepEqual(bench.sent.map(({ sequence }) => sequence), [1, 2, 3]);
  equal(bench.stored, 0);
});

Deno.test("long packets are held as others are", () => {
  const bench = new Bench();
  bench.scheduler.nextAt = 10;
  bench.put(7, 5, 8000);
  bench.put(8, 5, 20);
  bench.runUntil(20);
  deepEqual(bench.sent.map(({ number }) => number), [7, 8]);
});

Deno.test("a packet that is given up is counted, and its place is free", () => {
  const bench = new Bench();
  bench.scheduler.next = "give up";
  bench.put(1, 5);
  deepEqual([bench.sent, bench.stored], [[], 0]);
  deepEqual(bench.drops.entries(), [["queue full", 1]]);
});

Deno.test("a packet that is kept leaves again under the same sequence number", () => {
  const bench = new Bench();
  bench.scheduler.next = "keep";
  bench.put(9, 5);
  bench.runUntil(8);
  bench.scheduler.next = "leave";
  bench.runUntil(10);
  deepEqual(bench.sent.map(({ number, sequence }) => [number, sequence]), [[9, 1], [9, 1], [9, 1]]);
  equal(bench.stored, 0);
  equal(bench.drops.total, 0);
});

Deno.test("a client's TUN device is left unread while much is held back", () => {
  const bench = new Bench();
  bench.scheduler.nextAt = 1000;
  let number = 0;
  for (; !bench.driver.isFull; number++) bench.put(number, 5);
  ok(number > 1000 && number < 4000, `${number} packets`);
  // What one read brought is still taken, up to a limit.
  for (; bench.drops.total === 0; number++) bench.put(number, 5);
  deepEqual(bench.drops.entries(), [["queue full", 1]]);
  bench.runUntil(1000 + 2 * number);
  equal(bench.driver.isFull, false);
  equal(bench.sent.length, number - 1);
});

Deno.test("what a scheduler holds that is used no more is given up", () => {
  const bench = new Bench();
  bench.scheduler.nextAt = 1000;
  for (let number = 0; number < 100; number++) bench.put(number, 5);
  bench.useScheduler(new EverySecondMs(bench.scheduler.path));
  bench.put(100, 6);
  deepEqual([bench.stored, bench.sent.map(({ number }) => number)], [0, [100]]);
  deepEqual(bench.drops.entries(), [["queue full", 100]]);
});

Deno.test("what a session holds is given back when it ends", () => {
  const bench = new Bench();
  bench.scheduler.nextAt = 1000;
  for (let number = 0; number < 100; number++) bench.put(number, 5);
  const { store } = bench.driver.sessions.byId(1)!;
  bench.driver.closeSession(1, 6);
  equal(store.count, 0);
  equal(bench.driver.nextTick, Infinity);
});
