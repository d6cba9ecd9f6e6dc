import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { completeChecksum } from "./checksum.ts";
import { UdpCoalescer } from "./coalesce_udp.ts";
import { Segmenter } from "./segment.ts";
import { hasRightChecksums, partialUdpPacket } from "./test_packet.ts";

/** Offers packets to one batch. Returns what was taken, joined, and how many packets that is. */
function join(packets: readonly Uint8Array[], version: 4 | 6) {
  const view = new DataView(new ArrayBuffer(packets.reduce((sum, { length }) => sum + length, 0)));
  const bytes = new Uint8Array(view.buffer);
  const coalescer = new UdpCoalescer();
  const transport = version === 4 ? 20 : 40;
  const parts: [number, number][] = [];
  let at = 0;
  for (const packet of packets) {
    bytes.set(packet, at);
    const end = at + packet.length;
    const isTaken = parts.length === 0
      ? coalescer.start(view, at, at + transport, end)
      : coalescer.append(view, at, at + transport, end);
    if (!isTaken) break;
    parts.push([parts.length === 0 ? at : at + coalescer.headersLength, end]);
    at = end;
  }
  const { count, segmentSize } = coalescer;
  if (count > 0) coalescer.finish();
  const whole = new Uint8Array(parts.flatMap(([start, end]) => [...bytes.subarray(start, end)]));
  return { whole, count, segmentSize };
}

/** The packets that a super-packet is cut into. */
function cut(whole: Uint8Array, version: 4 | 6, size: number): Uint8Array[] {
  const memory = whole.slice();
  const segmenter = new Segmenter(new DataView(memory.buffer));
  const packets: Uint8Array[] = [];
  const count = segmenter.begin(0, version === 4 ? 20 : 40, memory.length, size, 17);
  while (segmenter.next()) {
    const { offset, length } = segmenter;
    packets.push(memory.slice(offset, offset + length));
  }
  equal(packets.length, count);
  return packets;
}

const version = fc.constantFrom<4 | 6>(4, 6);

Deno.test("what is joined is cut into the packets it was, its sums right", () => {
  const sizes = fc.tuple(fc.integer({ min: 1, max: 1400 }), fc.integer({ min: 1, max: 40 }));
  fc.assert(
    fc.property(version, sizes, fc.nat(), fc.nat({ max: 255 }), (version, sizes, rest, tos) => {
      const [size, count] = sizes;
      const lengths = [...Array(count).fill(size), 1 + rest % size];
      const packets = lengths.map((length, index) =>
        partialUdpPacket(Uint8Array.from({ length }, (_, at) => at + index), {
          version,
          tos,
          identification: index,
        })
      );
      const joined = join(packets, version);
      equal(joined.count, lengths.length);
      equal(joined.segmentSize, size);
      deepEqual(cut(joined.whole, version, size), packets);
      const transport = version === 4 ? 20 : 40;
      completeChecksum(
        new DataView(joined.whole.buffer),
        transport,
        joined.whole.length,
        transport + 6,
      );
      ok(hasRightChecksums(joined.whole, transport));
    }),
  );
});

Deno.test("only packets of one flow, one kind and one size are joined", () => {
  const data = new Uint8Array(100);
  const first = partialUdpPacket(data);
  const count = (...packets: Uint8Array[]) => join(packets, 4).count;
  equal(count(first, first), 2);
  equal(count(first, partialUdpPacket(data, { destinationPort: 444 })), 1);
  equal(count(first, partialUdpPacket(data, { source: [10, 8, 0, 3] })), 1);
  equal(count(first, partialUdpPacket(data, { tos: 1 })), 1);
  equal(count(first, partialUdpPacket(data, { ttl: 63 })), 1);
  equal(count(first, partialUdpPacket(data, { identification: 7 })), 2);
  equal(count(first, partialUdpPacket(new Uint8Array(101))), 1);
  equal(count(first, partialUdpPacket(new Uint8Array(0))), 1);
  equal(count(first, partialUdpPacket(new Uint8Array(99)), first), 2, "a shorter one ends it");
});

Deno.test("packets that may be fragmented are joined when their numbers follow each other", () => {
  const numbered = (identification: number) =>
    partialUdpPacket(new Uint8Array(100), { fragment: 0, identification });
  const count = (...numbers: number[]) => join(numbers.map(numbered), 4).count;
  equal(count(7, 8, 9), 3);
  equal(count(0xffff, 0, 1), 3);
  equal(count(7, 8, 8), 2);
  equal(count(7, 9), 1);
});

Deno.test("what the kernel would not give back as it was is left alone", () => {
  const data = new Uint8Array(100);
  const count = (packet: Uint8Array) => join([packet], 4).count;
  equal(count(partialUdpPacket(data, { fragment: 0x2000 })), 0, "a fragment");
  equal(count(partialUdpPacket(new Uint8Array(0))), 0, "no data");
  const wrongLength = partialUdpPacket(data);
  new DataView(wrongLength.buffer).setUint16(24, 50);
  equal(count(wrongLength), 0, "data behind the datagram");
});

Deno.test("a batch has 64 packets at most, and no more bytes than IP can tell", () => {
  equal(join(Array(70).fill(partialUdpPacket(new Uint8Array(10))), 4).count, 64);
  const { count, whole } = join(Array(64).fill(partialUdpPacket(new Uint8Array(1400))), 4);
  equal(count, 46);
  ok(whole.length <= 65_535);
});
