/** What the writer hands to a TUN device, caught in a socket that stands in its place. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { Arena } from "../../ffi/memory/arena.ts";
import { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { FlowKey, readFlowKey } from "../../protocol/packet/flow_key.ts";
import { completeChecksum, fold, sumPseudoHeader } from "../../protocol/packet/checksum.ts";
import {
  hasRightChecksums,
  ipPacket,
  type TcpFields,
  tcpPacket,
} from "../../protocol/packet/test_packet.ts";
import { newMemory } from "../driver/packet_cells.ts";
import type { MemoryLayout } from "./memory_layout.ts";
import { Loopback } from "../../../testing/loopback.ts";
import { TunWriter } from "./tun_writer.ts";

const VNET = 10;
const NO_OFFLOAD = "00".repeat(VNET);

/** As much of a layout as a writer needs: addresses of a whole one take long to make. */
function writeLayout(): MemoryLayout {
  const arena = new Arena(40_000);
  const [receive, vnetHeader] = [arena.reserve(30_000), arena.reserve(VNET)];
  const made = { memory: arena, compressed: 0, inflated: 0, inflatedBytes: 0 };
  return { arena, receive, receiveEnd: receive + 30_000, vnetHeader, tunRead: 0, made };
}

class Writing implements Disposable {
  readonly loopback = new Loopback();
  readonly layout = writeLayout();
  readonly drops = new DropCounters();
  readonly flow = new FlowKey();
  readonly writer: TunWriter;
  #used = 0;

  constructor(readonly vnetHeader: boolean, udpSegments = vnetHeader) {
    const { fd } = this.loopback.connect();
    const tun = { fd, name: "tun", vnetHeader, udpSegments };
    this.writer = new TunWriter(this.loopback.libc, tun, this.layout, this.drops);
  }

  /** Delivers a packet, its checksum made partial when it is to be. */
  deliver(packet: Uint8Array, isPartial: boolean): void {
    const { arena, receive } = this.layout;
    const { view } = arena;
    const at = receive + this.#used;
    this.#used += packet.length;
    arena.bytes.set(packet, at);
    ok(readFlowKey(view, at, packet.length, this.flow));
    const { transport, protocol, end } = this.flow;
    if (isPartial && transport >= 0) {
      const sum = fold(sumPseudoHeader(view, at, protocol) + end - transport);
      view.setUint16(transport + (protocol === 6 ? 16 : 6), sum);
    }
    this.writer.deliver(arena, at, this.flow, isPartial);
  }

  /** What was written: the virtio header in hex, and the packet, completed as the kernel would. */
  written(): { header: string; packet: Uint8Array }[] {
    return this.loopback.arrivals().map(({ bytes }) => {
      if (!this.vnetHeader) return { header: "", packet: bytes };
      const view = new DataView(bytes.buffer);
      if (bytes[0] === 1) {
        const start = VNET + view.getUint16(6, true);
        completeChecksum(view, start, bytes.length, start + view.getUint16(8, true));
      }
      return { header: bytes.slice(0, VNET).toHex(), packet: bytes.slice(VNET) };
    });
  }

  [Symbol.dispose](): void {
    this.loopback[Symbol.dispose]();
  }
}

function tcp(version: 4 | 6, index: number, more: Partial<TcpFields> = {}): Uint8Array {
  const payload = new Uint8Array(1000).fill(index);
  return tcpPacket({ version, payload, sequence: 1000 * index, ...more });
}

function udp(version: 4 | 6, bytes = 5): Uint8Array {
  const payload = new Uint8Array(8 + bytes).fill(7);
  payload.set([0, 53, 0, 99, 0, payload.length, 0, 0]);
  return ipPacket({ version, protocol: 17, payload });
}

for (const version of [4, 6] as const) {
  const distance = version === 4 ? 20 : 40;
  const hex16 = (value: number) =>
    (value & 0xff).toString(16).padStart(2, "0") +
    (value >> 8).toString(16).padStart(2, "0");
  const partial = (gso: number, headers: number, size: number, field = 16) =>
    `01${gso.toString(16).padStart(2, "0")}${hex16(headers)}${hex16(size)}${hex16(distance)}` +
    hex16(field);

  Deno.test(`IPv${version}: packets of a flow that follow each other leave as one`, () => {
    using writing = new Writing(true);
    for (let index = 0; index < 5; index++) writing.deliver(tcp(version, index), true);
    writing.deliver(tcp(version, 5, { flags: 0x18, payload: new Uint8Array(10) }), true);
    deepEqual(writing.written(), []);
    writing.writer.flush();
    const [first, ...others] = writing.written();
    equal(others.length, 0);
    equal(first!.header, partial(version === 4 ? 1 : 4, distance + 20, 1000));
    const { packet } = first!;
    equal(packet.length, distance + 20 + 5010);
    ok(hasRightChecksums(packet, distance));
    for (let index = 0; index < 5; index++) {
      ok(
        packet.subarray(distance + 20 + 1000 * index).subarray(0, 1000)
          .every((byte) => byte === index),
      );
    }
    writing.writer.flush();
    deepEqual(writing.written(), []);
  });

  Deno.test(`IPv${version}: a packet alone leaves alone, its checksum still the kernel's`, () => {
    using writing = new Writing(true);
    writing.deliver(tcp(version, 0), true);
    writing.writer.flush();
    const [first, ...others] = writing.written();
    equal(others.length, 0);
    equal(first!.header, partial(0, distance + 20, 0));
    deepEqual(first!.packet, tcp(version, 0));
  });

  Deno.test(`IPv${version}: packets keep their order whatever lies between them`, () => {
    using writing = new Writing(true);
    const packets = [
      tcp(version, 0),
      tcp(version, 1),
      udp(version),
      tcp(version, 2),
      tcp(version, 3, { flags: 0x11 }),
      tcp(version, 9),
    ];
    for (const packet of packets) writing.deliver(packet, true);
    writing.writer.flush();
    const written = writing.written();
    const sizes = [2, 0, 1, 1, 1].map((count) => distance + (count ? 20 + 1000 * count : 13));
    deepEqual(written.map(({ packet }) => packet.length), sizes);
    equal(written[1]!.header, partial(0, distance + 8, 0, 6));
    deepEqual(written[3]!.packet, packets[4]);
  });

  Deno.test(`IPv${version}: UDP packets of a flow leave as one where the kernel cuts them`, () => {
    for (const cuts of [true, false]) {
      using writing = new Writing(true, cuts);
      for (const bytes of [100, 100, 40]) writing.deliver(udp(version, bytes), true);
      writing.writer.flush();
      const written = writing.written();
      const sizes = cuts ? [240] : [100, 100, 40];
      deepEqual(written.map(({ packet }) => packet.length - distance - 8), sizes);
      const header = cuts ? partial(5, distance + 8, 100, 6) : partial(0, distance, 0, 6);
      equal(written[0]!.header, header);
      ok(hasRightChecksums(written[0]!.packet, distance));
    }
  });

  Deno.test(`IPv${version}: a complete checksum is left alone, and nothing joined`, () => {
    using writing = new Writing(true);
    for (let index = 0; index < 3; index++) writing.deliver(tcp(version, index), false);
    deepEqual(
      writing.written(),
      [0, 1, 2].map((index) => ({ header: NO_OFFLOAD, packet: tcp(version, index) })),
    );
  });

  Deno.test(`IPv${version}: without a virtio header checksums are completed here`, () => {
    using writing = new Writing(false);
    for (let index = 0; index < 3; index++) writing.deliver(tcp(version, index), true);
    writing.deliver(udp(version), true);
    writing.writer.flush();
    const written = writing.written().map(({ packet }) => packet);
    deepEqual(written.slice(0, 3), [0, 1, 2].map((index) => tcp(version, index)));
    if (version === 4) ok(hasRightChecksums(written[3]!, distance));
  });
}

Deno.test("more packets than a write can gather leave in two", () => {
  using writing = new Writing(true);
  const payload = new Uint8Array(100);
  for (let index = 0; index < 200; index++) {
    writing.deliver(tcpPacket({ payload, sequence: 100 * index }), true);
  }
  writing.writer.flush();
  deepEqual(writing.written().map(({ packet }) => (packet.length - 40) / 100), [127, 73]);
});

Deno.test("a flag of partial checksum on what has none is ignored", () => {
  using writing = new Writing(true);
  const packets = [
    ipPacket({ protocol: 1, payload: new Uint8Array(8).fill(3) }),
    ipPacket({ protocol: 17, fragment: 0x2000, payload: new Uint8Array(16) }),
    ipPacket({ protocol: 6, payload: new Uint8Array(8) }),
  ];
  const { arena, receive } = writing.layout;
  for (const packet of packets) {
    arena.bytes.set(packet, receive);
    ok(readFlowKey(arena.view, receive, packet.length, writing.flow));
    writing.writer.deliver(arena, receive, writing.flow, true);
  }
  deepEqual(writing.written(), packets.map((packet) => ({ header: NO_OFFLOAD, packet })));
});

Deno.test("packets that were held, in memory of their own, are put together with those around them", () => {
  using writing = new Writing(true);
  writing.deliver(tcp(4, 0), true);
  const held = newMemory(4096);
  for (const index of [1, 2]) {
    const packet = tcp(4, index);
    const at = 2048 * (index - 1) + 7;
    held.bytes.set(packet, at);
    ok(readFlowKey(held.view, at, packet.length, writing.flow));
    const { transport, protocol, end } = writing.flow;
    held.view.setUint16(
      transport + 16,
      fold(sumPseudoHeader(held.view, at, protocol) + end - transport),
    );
    writing.writer.deliver(held, at, writing.flow, true);
  }
  writing.deliver(tcp(4, 3), true);
  writing.writer.flush();
  const [whole, ...more] = writing.written();
  equal(more.length, 0);
  equal(whole!.packet.length, 40 + 4 * 1000);
  for (const index of [0, 1, 2, 3]) {
    ok(whole!.packet.subarray(40 + 1000 * index).subarray(0, 1000).every((byte) => byte === index));
  }
  ok(hasRightChecksums(whole!.packet, 20));
});

Deno.test("what the device refuses is counted packet by packet", () => {
  using writing = new Writing(true);
  const tun = { fd: -1, name: "tun", vnetHeader: true, udpSegments: true };
  const writer = new TunWriter(writing.loopback.libc, tun, writing.layout, writing.drops);
  const { arena, receive } = writing.layout;
  for (const index of [0, 1, 2]) {
    const packet = tcp(4, index);
    const at = receive + 2000 * index;
    arena.bytes.set(packet, at);
    readFlowKey(arena.view, at, packet.length, writing.flow);
    writer.deliver(arena, at, writing.flow, true);
  }
  writer.flush();
  deepEqual(writing.drops.entries(), [["TUN refused", 3]]);
});
