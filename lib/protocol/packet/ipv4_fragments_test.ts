import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { Ipv4Fragments } from "./ipv4_fragments.ts";
import { ipPacket, naiveChecksum } from "./test_packet.ts";

const PAD = 5;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** All fragments; null when the packet was refused. */
function split(
  packet: Uint8Array,
  mtu: number,
  fragments = new Ipv4Fragments(),
): Uint8Array[] | null {
  const padded = new Uint8Array(PAD + packet.length + PAD);
  padded.set(packet, PAD);
  if (!fragments.start(viewOf(padded), PAD, packet.length, mtu)) return null;
  const target = new Uint8Array(PAD + mtu);
  const all: Uint8Array[] = [];
  for (;;) {
    const length = fragments.next(viewOf(target), PAD);
    if (length === 0) return all;
    all.push(target.slice(PAD, PAD + length));
    ok(all.length <= 8192, "it never ends");
  }
}

/** An IPv4 packet that may be fragmented, with options of 4-byte multiples. */
function packetOf(payload: Uint8Array, fragment = 0, options: readonly number[] = []): Uint8Array {
  const plain = ipPacket({ protocol: 17, identification: 4711, fragment, payload, tos: 8, ttl: 9 });
  const packet = new Uint8Array([...plain.subarray(0, 20), ...options, ...payload]);
  packet[0] = 0x45 + options.length / 4;
  viewOf(packet).setUint16(2, packet.length);
  return packet;
}

function parse(packet: Uint8Array) {
  const view = viewOf(packet);
  const headerLength = (packet[0]! & 15) * 4;
  equal(naiveChecksum(packet.subarray(0, headerLength)), 0);
  equal(view.getUint16(2), packet.length);
  return {
    offset: (view.getUint16(6) & 0x1fff) * 8,
    more: (view.getUint16(6) & 0x2000) !== 0,
    identification: view.getUint16(4),
    options: [...packet.subarray(20, headerLength)],
    payload: packet.subarray(headerLength),
    rest: [...packet.subarray(1, 2), ...packet.subarray(8, 10), ...packet.subarray(12, 20)],
  };
}

/** RFC 791's reassembly, without its timer. */
function reassemble(fragments: Uint8Array[]): { payload: Uint8Array; offset: number } {
  const parts = fragments.map(parse);
  const bytes: number[] = [];
  const start = parts[0]!.offset;
  for (const [i, { offset, payload, more }] of parts.entries()) {
    equal(offset, start + bytes.length);
    if (i < parts.length - 1) ok(more && payload.length % 8 === 0 && payload.length > 0);
    bytes.push(...payload);
  }
  return { payload: new Uint8Array(bytes), offset: start };
}

Deno.test("fragments fit, and give the packet again", () => {
  const fields = fc.record({
    payload: fc.uint8Array({ minLength: 1, maxLength: 2000, size: "max" }),
    mtu: fc.integer({ min: 28, max: 1500 }),
    fragment: fc.constantFrom(0, 0x2000, 0x2000 | 100, 100),
  });
  const fragments = new Ipv4Fragments();
  fc.assert(fc.property(fields, ({ payload, mtu, fragment }) => {
    const packet = packetOf(payload, fragment);
    const all = split(packet, mtu, fragments)!;
    ok(all.every(({ length }) => length <= mtu));
    const whole = reassemble(all);
    deepEqual(whole.payload, payload);
    equal(whole.offset, (fragment & 0x1fff) * 8);
    equal(parse(all.at(-1)!).more, (fragment & 0x2000) !== 0);
    const original = parse(split(packet, 65_535)![0]!);
    for (const part of all.map(parse)) {
      equal(part.identification, 4711);
      deepEqual(part.rest, original.rest);
    }
  }));
});

Deno.test("fragments of fragments give the packet as well", () => {
  const payload = Uint8Array.from({ length: 3000 }, (_, i) => i * 7);
  const large = split(packetOf(payload), 1500)!;
  equal(large.length, 3);
  const small = large.flatMap((fragment) => split(fragment, 576)!);
  deepEqual(reassemble(small).payload, payload);
  equal(parse(small.at(-1)!).more, false);
});

Deno.test("options with the copied flag go into all fragments, others into the first", () => {
  const recordRoute = [7, 7, 4, 0, 0, 0, 0];
  const looseRoute = [131, 7, 4, 1, 2, 3, 4];
  const alert = [148, 4, 0, 0];
  const payload = new Uint8Array(2000);
  const options = [1, ...recordRoute, 1, ...looseRoute, ...alert, 0, 0, 0, 0];
  const [first, ...others] = split(packetOf(payload, 0, options), 1000)!.map(parse);
  deepEqual(first!.options, options);
  ok(others.length > 1);
  for (const other of others) deepEqual(other.options, [...looseRoute, ...alert, 0]);
  const uncopied = split(packetOf(payload, 0, [...recordRoute, 0]), 1000)!.map(parse);
  deepEqual(uncopied.map(({ options }) => options.length), [8, 0, 0]);
  deepEqual(new Uint8Array(uncopied.flatMap((part) => [...part.payload])), payload);
});

Deno.test("a packet that fits is its own only fragment", () => {
  const packet = packetOf(new Uint8Array(100));
  equal(split(packet, 120)!.length, 1);
  equal(split(packet, 119)!.length, 2);
});

Deno.test("what must not or cannot be fragmented is refused", () => {
  const payload = new Uint8Array(100);
  const refused = (packet: Uint8Array, mtu = 60) => equal(split(packet, mtu), null);
  refused(packetOf(payload, 0x4000));
  refused(packetOf(payload), 27);
  refused(packetOf(payload, 0, [1, 1, 1, 1]), 31);
  refused(ipPacket({ version: 6, payload }));
  refused(new Uint8Array());
  refused(packetOf(payload).subarray(0, 119));
  refused(packetOf(payload, 8190)); // reaches beyond 65,535 bytes
  for (const options of [[7, 1, 0, 0], [7, 5, 0, 0], [7, 0, 0, 0], [1, 1, 1, 7]]) {
    refused(packetOf(payload, 0, options));
  }
  for (const firstByte of [0x44, 0x40, 0x4f]) {
    const packet = packetOf(new Uint8Array(4));
    packet[0] = firstByte;
    refused(packet);
  }
  equal(new Ipv4Fragments().next(viewOf(new Uint8Array(100)), 0), 0);
});

Deno.test("a refusal ends what went before", () => {
  const fragments = new Ipv4Fragments();
  ok(fragments.start(viewOf(packetOf(new Uint8Array(100))), 0, 120, 60));
  ok(!fragments.start(viewOf(packetOf(new Uint8Array(100), 0x4000)), 0, 120, 60));
  equal(fragments.next(viewOf(new Uint8Array(100)), 0), 0);
});
