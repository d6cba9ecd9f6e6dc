import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { Libc } from "../../ffi/libc/libc.ts";
import { FlowKey } from "../../protocol/packet/flow_key.ts";
import { ipv4Word, ipv6Words } from "../../protocol/packet/inner_address.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { TunnelNetwork } from "../../protocol/wire/tunnel_network.ts";
import { Handover, planHandover, sessionIdFor, threadOfAddress } from "./handover.ts";
import { MemoryLayout } from "./memory_layout.ts";
import { RING_BYTES } from "./packet_ring.ts";

const HEADER = 10;
const THREADS = 3;
const network = new TunnelNetwork("10.9.0.0/16", "fd00:9:1::1:0/112");

/** The threads of an engine, all in this one. */
class Threads implements Disposable {
  readonly libc = Libc.open();
  readonly woken: number[] = [];
  readonly all;

  constructor() {
    const wakeFds = [100, 101, 102];
    this.libc.signalEventfd = (fd) => void this.woken.push(fd - 100);
    this.all = planHandover(wakeFds, network.server).map((plan) => {
      const layout = new MemoryLayout();
      const drops = new DropCounters();
      return { layout, drops, handover: new Handover(this.libc, layout, plan, drops) };
    });
  }

  /** What a thread says of a packet for host `number` that it has read. */
  give(thread: number, number: number, version: 4 | 6, bytes: Uint8Array): boolean {
    const { layout, handover } = this.all[thread]!;
    const { ipv4, ipv6 } = network.addressesOf(number);
    const flow = new FlowKey();
    flow.version = version;
    flow.destination3 = version === 4 ? ipv4Word(ipv4) : ipv6Words(ipv6)[3];
    layout.arena.bytes.set(bytes, layout.tunRead);
    return handover.give(flow, layout.tunRead + HEADER, bytes.length - HEADER);
  }

  /** What a thread takes. */
  take(thread: number, packets = Infinity): Uint8Array[] {
    const { layout, handover } = this.all[thread]!;
    const { arena, tunRead } = layout;
    const taken: Uint8Array[] = [];
    handover.take(
      (length) => void taken.push(arena.bytes.slice(tunRead, tunRead + length)),
      () => taken.length < packets,
    );
    return taken;
  }

  [Symbol.dispose](): void {
    this.libc.unload();
  }
}

function threadOf(number: number): number {
  return threadOfAddress(ipv4Word(network.addressesOf(number).ipv4), THREADS);
}

Deno.test("a packet goes to the thread of its client, whole, by either address, and wakes it once", () => {
  using threads = new Threads();
  for (const version of [4, 6] as const) {
    for (let number = 2; number < 40; number++) {
      const packet = Uint8Array.from({ length: 60 }, (_, index) => index + number);
      const to = threadOf(number);
      for (let from = 0; from < THREADS; from++) {
        equal(threads.give(from, number, version, packet), from !== to);
        if (from === to) continue;
        equal(threads.give(from, number, version, packet), true);
        threads.all[from]!.handover.flush();
        threads.all[from]!.handover.flush();
        deepEqual(threads.woken.splice(0), [to]);
        deepEqual(threads.take(to), [packet, packet]);
      }
      deepEqual(threads.take(to), []);
    }
  }
});

Deno.test("a packet for a network behind a client goes to the client's thread, until that has none", () => {
  using threads = new Threads();
  const { layout, handover } = threads.all[0]!;
  const client = (thread: number) => [2, 3, 4].find((each) => threadOf(each) === thread)!;
  const flow = new FlowKey();
  flow.destination3 = ipv4Word("192.168.7.9");
  const give = () => {
    handover.give(flow, layout.tunRead + HEADER, 50);
    return [1, 2].find((thread) => threads.take(thread).length > 0) ?? 0;
  };
  const before = give();
  for (const thread of [1, 2]) {
    const { ipv4 } = network.addressesOf(client(thread));
    handover.setRoutes(ipv4, ["192.168.7.0/24", "fd77::/48"]);
    equal(give(), thread);
    // What another client has already is left to it.
    handover.setRoutes(network.addressesOf(client(3 - thread)).ipv4, ["192.168.0.0/16"]);
    equal(give(), thread);
    handover.setRoutes(network.addressesOf(client(3 - thread)).ipv4, []);
    handover.setRoutes(ipv4, []);
    equal(give(), before);
  }
});

Deno.test("what a thread does not take is bounded, and counted by name", () => {
  using threads = new Threads();
  const number = [2, 3, 4].find((each) => threadOf(each) === 1)!;
  const packet = new Uint8Array(1400);
  const given = 2 * Math.floor(RING_BYTES / packet.length);
  for (let count = 0; count < given; count++) threads.give(0, number, 4, packet);
  const lost = threads.all[0]!.drops.get("handover full");
  ok(lost > given / 3 && lost < given);
  let taken = 0;
  // A turn's worth at a time; the rest wakes the thread again.
  for (let some = threads.take(1); some.length > 0; some = threads.take(1)) taken += some.length;
  equal(taken, given - lost);
});

Deno.test("a thread that has no room leaves the packets where they are, and comes back to them", () => {
  using threads = new Threads();
  const number = [2, 3, 4].find((each) => threadOf(each) === 2)!;
  for (let count = 0; count < 5; count++) threads.give(0, number, 4, new Uint8Array(100));
  equal(threads.take(2, 3).length, 3);
  threads.all[2]!.handover.flush();
  deepEqual(threads.woken, []);
  threads.all[2]!.handover.resume();
  threads.all[2]!.handover.resume();
  deepEqual(threads.woken, [2]);
  equal(threads.take(2).length, 2);
});

Deno.test("session ids are near the random number, never 0, and agree with the address", () => {
  const address = fc.integer({ min: 2, max: 65_000 })
    .map((number) => network.addressesOf(number).ipv4);
  const random = fc.oneof(
    fc.integer({ min: 0, max: 0xffffffff }),
    fc.constantFrom(0, 1, 7, 0xfffffff8, 0xfffffffe, 0xffffffff),
  );
  fc.assert(
    fc.property(random, address, fc.integer({ min: 2, max: 8 }), (number, ipv4, threads) => {
      const id = sessionIdFor(number, ipv4, threads);
      ok(Number.isInteger(id) && id > 0 && id <= 0xffffffff, String(id));
      ok(Math.abs(id - number) <= threads);
      equal(id % threads, threadOfAddress(ipv4Word(ipv4), threads));
    }),
  );
});
