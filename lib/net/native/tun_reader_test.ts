/** What the reader hands on of a TUN device, played by a stand-in for libc. */
import { deepEqual, equal } from "node:assert/strict";
import type { Libc } from "../../ffi/libc/libc.ts";
import { Arena } from "../../ffi/memory/arena.ts";
import {
  type Offload,
  OFFLOAD_CHECKSUM,
  OFFLOAD_NONE,
  OFFLOAD_TCP,
  OFFLOAD_UDP,
} from "../driver/offload.ts";
import type { MemoryLayout } from "./memory_layout.ts";
import { TunReader } from "./tun_reader.ts";

const FD = 42;
const EAGAIN = 11;
const VNET = 10;
const READS_PER_TURN = 32;
const PACKETS_PER_TURN = 2048;

/** A device on which `puts` wait; `made` is how many packets each read becomes. */
function setUp(vnetHeader: boolean, puts: readonly Uint8Array[], made = 1) {
  const arena = new Arena(80_000);
  const tunRead = arena.reserve(70_000);
  const queue = [...puts];
  const libc = {
    read: (fd: number, at: bigint) => {
      deepEqual([fd, at], [FD, arena.address(tunRead)]);
      const next = queue.shift();
      if (next === undefined) return -EAGAIN;
      arena.bytes.set(next, tunRead);
      return next.length;
    },
  } as unknown as Libc;
  const tun = { fd: FD, name: "tun", vnetHeader, udpSegments: false };
  const reader = new TunReader(libc, tun, { arena, tunRead } as MemoryLayout);
  const handed: { bytes: number[]; offload: Offload }[] = [];
  const run = (mayRead = () => true) =>
    reader.run((packet, length, offload) => {
      const bytes = [...arena.bytes.subarray(packet, packet + length)];
      handed.push({ bytes, offload: structuredClone(offload) });
      return made;
    }, mayRead);
  return { run, handed, left: () => queue.length };
}

/** A packet of one byte behind struct virtio_net_hdr with these fields. */
function withHeader(flags: number, gso: number, gsoSize = 0, start = 0, offset = 0): Uint8Array {
  const packet = new Uint8Array(VNET + 1);
  const view = new DataView(packet.buffer);
  packet.set([flags, gso]);
  view.setUint16(4, gsoSize, true);
  view.setUint16(6, start, true);
  view.setUint16(8, offset, true);
  packet[VNET] = 77;
  return packet;
}

Deno.test("packets are handed on one after the other, until the device has no more", () => {
  const { run, handed } = setUp(false, [[1, 2], [3]].map((bytes) => Uint8Array.from(bytes)));
  equal(run(), 3);
  deepEqual(handed.map(({ bytes }) => bytes), [[1, 2], [3]]);
  deepEqual(handed.map(({ offload }) => offload.kind), [OFFLOAD_NONE, OFFLOAD_NONE]);
  equal(run(), 0);
});

Deno.test("what the kernel left to the device is in the header in front of the packet", () => {
  const puts = [
    withHeader(1, 0, 0, 20, 16),
    withHeader(1, 4, 1348),
    withHeader(1, 5, 1200),
    withHeader(0, 0),
  ];
  const { run, handed } = setUp(true, puts);
  run();
  deepEqual(handed.map(({ bytes }) => bytes), [[77], [77], [77], [77]]);
  const [checksum, tcp, udp, none] = handed.map(({ offload }) => offload);
  equal(checksum!.kind, OFFLOAD_CHECKSUM);
  deepEqual([checksum!.checksumStart, checksum!.checksumField], [20, 36]);
  deepEqual([tcp!.kind, tcp!.segmentSize], [OFFLOAD_TCP, 1348]);
  deepEqual([udp!.kind, udp!.segmentSize], [OFFLOAD_UDP, 1200]);
  equal(none!.kind, OFFLOAD_NONE);
});

Deno.test("the other direction gets its turn after 32 reads, or 2048 packets", () => {
  const puts = Array.from({ length: 100 }, () => new Uint8Array(1));
  const single = setUp(false, puts);
  single.run();
  equal(single.left(), 100 - READS_PER_TURN);
  const large = setUp(false, puts, PACKETS_PER_TURN / 4);
  large.run();
  equal(large.left(), 96);
});

Deno.test("the device is left unread while there is no room", () => {
  const { run, left } = setUp(false, Array.from({ length: 5 }, () => new Uint8Array(1)));
  let room = 2;
  run(() => room-- > 0);
  equal(left(), 3);
});
