/** Segmentation by itself; `inbound/coalesce_test.ts` has the way there and back. */
import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { completeChecksum } from "./checksum.ts";
import { hasRightChecksums, type TcpFields, tcpPacket } from "./test_packet.ts";
import { Segmenter } from "./segment.ts";

const ACK = 0x10, PSH = 0x08, FIN = 0x01, CWR = 0x80, URG = 0x20;
/** Where the packet lies in the memory, and what is around it. */
const BEFORE = 100, AFTER = 50, FILLER = 0xee;

interface Segment {
  readonly bytes: Uint8Array;
  readonly sequence: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

/** Cuts a packet up, each segment completed and copied before the next is asked for. */
function cut(fields: Partial<TcpFields>, segmentSize: number): Segment[] {
  const packet = tcpPacket(fields);
  const { extensions = new Uint8Array(), version = 4 } = fields;
  const transport = version === 4 ? 20 : 40 + extensions.length;
  const memory = new Uint8Array(BEFORE + packet.length + AFTER).fill(FILLER);
  memory.set(packet, BEFORE);
  const view = new DataView(memory.buffer);
  const segmenter = new Segmenter(view);
  const end = BEFORE + packet.length;
  const count = segmenter.begin(BEFORE, BEFORE + transport, end, segmentSize);
  const segments: Segment[] = [];
  while (segmenter.next()) {
    const { offset, length } = segmenter;
    completeChecksum(view, offset + transport, offset + length, offset + transport + 16);
    const bytes = memory.slice(offset, offset + length);
    const header = new DataView(bytes.buffer, transport);
    segments.push({
      bytes,
      sequence: header.getUint32(4),
      flags: header.getUint8(13),
      payload: bytes.slice(transport + (header.getUint8(12) >> 4) * 4),
    });
    ok(hasRightChecksums(bytes, transport), `segment ${segments.length - 1}`);
  }
  equal(segments.length, count);
  for (const byte of [...memory.subarray(0, BEFORE), ...memory.subarray(end)]) equal(byte, FILLER);
  return segments;
}

const PAYLOAD = Uint8Array.from({ length: 3000 }, (_, index) => index * 7);

Deno.test("segments are right packets that carry the payload between them, in order", () => {
  const fields = fc.record({
    version: fc.constantFrom<4 | 6>(4, 6),
    payload: fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.integer({ min: 1, max: 5000 }).map((length) => new Uint8Array(length).fill(0x5a)),
      fc.integer({ min: 1, max: 65_400 }).map((length) => new Uint8Array(length).fill(0xa5)),
    ),
    options: fc.nat({ max: 10 }).map((words) => new Uint8Array(words * 4).fill(1)),
    sequence: fc.oneof(
      fc.nat({ max: 0xffffffff }),
      fc.integer({ min: 0xfffffe00, max: 0xffffffff }),
    ),
    flags: fc.constantFrom(ACK, ACK | PSH, ACK | FIN, ACK | CWR, ACK | URG, 0xff),
    identification: fc.nat({ max: 0xffff }),
    tos: fc.nat({ max: 255 }),
  });
  fc.assert(
    fc.property(fields, fc.integer({ min: 1, max: 2000 }), (fields, size) => {
      const segmentSize = Math.max(size, Math.ceil(fields.payload.length / 100));
      const segments = cut(fields, segmentSize);
      equal(segments.length, Math.max(1, Math.ceil(fields.payload.length / segmentSize)));
      deepEqual(new Uint8Array(segments.flatMap(({ payload }) => [...payload])), fields.payload);
      for (const [index, { bytes, sequence, flags }] of segments.entries()) {
        equal(sequence, (fields.sequence + index * segmentSize) >>> 0);
        const isLast = index === segments.length - 1;
        const expected = fields.flags & ~(isLast ? 0 : FIN | PSH) & ~(index === 0 ? 0 : CWR);
        equal(flags, expected);
        const view = new DataView(bytes.buffer);
        if (fields.version === 4) {
          equal(view.getUint16(2), bytes.length);
          equal(view.getUint16(4), (fields.identification + index) & 0xffff);
        } else {
          equal(view.getUint16(4), bytes.length - 40);
        }
      }
    }),
    { numRuns: 100 },
  );
});

Deno.test("headers but lengths, ID, sequence, flags and checksums are those of the packet", () => {
  const options = Uint8Array.fromHex("0101080a0000000100000002");
  const original = tcpPacket({ options, payload: PAYLOAD, tos: 0x2a, ttl: 3, window: 77 });
  for (const { bytes } of cut({ options, payload: PAYLOAD, tos: 0x2a, ttl: 3, window: 77 }, 1000)) {
    const same = (from: number, to: number) =>
      deepEqual(bytes.slice(from, to), original.slice(from, to), `bytes ${from} to ${to}`);
    same(0, 2); // version, TOS
    same(6, 10); // fragment, TTL, protocol
    same(12, 24); // addresses, ports
    same(28, 33); // acknowledgement, data offset
    same(34, 36); // window
    same(38, 52); // urgent pointer, options
  }
});

Deno.test("IPv6 extension headers are kept, and counted in the payload length", () => {
  const extensions = new Uint8Array(16);
  extensions.set([6, 1]);
  const segments = cut({ version: 6, extensions, firstExtension: 60, payload: PAYLOAD }, 1400);
  equal(segments.length, 3);
  for (const { bytes } of segments) {
    equal(new DataView(bytes.buffer).getUint16(4), bytes.length - 40);
    deepEqual(bytes.slice(40, 56), extensions);
  }
});

Deno.test("segments smaller than their headers do not harm each other", () => {
  const payload = PAYLOAD.slice(0, 100);
  const segments = cut({ version: 6, options: new Uint8Array(40).fill(1), payload }, 1);
  equal(segments.length, 100);
  deepEqual(segments.map(({ payload }) => payload[0]), [...payload]);
});

Deno.test("a packet without payload is one segment", () => {
  const [segment, ...others] = cut({ flags: ACK | FIN | CWR }, 1000);
  equal(others.length, 0);
  equal(segment!.flags, ACK | FIN | CWR);
});

Deno.test("what makes no sense is refused, and the packet left as it is", () => {
  const packet = tcpPacket({ payload: PAYLOAD.slice(0, 100) });
  const begin = (
    change: (bytes: Uint8Array) => void,
    transport = 20,
    size = 50,
    end = packet.length,
  ) => {
    const bytes = packet.slice();
    change(bytes);
    const before = bytes.slice();
    const count = new Segmenter(new DataView(bytes.buffer)).begin(0, transport, end, size);
    if (count === 0) deepEqual(bytes, before);
    return count;
  };
  equal(begin(() => {}), 2);
  equal(begin(() => {}, 20, 0), 0, "segment size 0");
  equal(begin(() => {}, 20, 50, 39), 0, "no room for a TCP header");
  equal(begin((bytes) => bytes[32] = 0x40), 0, "TCP header of 16 bytes");
  equal(begin((bytes) => bytes[32] = 0xf0, 20, 50, 79), 0, "TCP header longer than the packet");
  equal(begin(() => {}, packet.length), 0, "transport at the end");
  const long = tcpPacket({ version: 6, extensions: new Uint8Array(240), payload: PAYLOAD });
  equal(new Segmenter(new DataView(long.buffer)).begin(0, 280, long.length, 100), 0);
});

Deno.test("begin() and next() never touch what is outside of the packet", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 120 }),
      fc.nat({ max: 120 }),
      fc.integer({ min: 0, max: 40 }),
      (bytes, transport, size) => {
        // readFlowKey() promises a transport inside of the packet, at 20 or 40 at least.
        const least = bytes[0]! >> 4 === 4 ? 20 : 40;
        transport = least + 4 * (transport >> 2);
        if (transport > bytes.length || transport > 60 + least) return;
        const memory = new Uint8Array(BEFORE + bytes.length + AFTER).fill(FILLER);
        memory.set(bytes, BEFORE);
        const end = BEFORE + bytes.length;
        const segmenter = new Segmenter(new DataView(memory.buffer));
        segmenter.begin(BEFORE, BEFORE + transport, end, size);
        while (segmenter.next()) {
          ok(segmenter.offset >= BEFORE && segmenter.offset + segmenter.length <= end);
        }
        for (const byte of memory.subarray(0, BEFORE)) equal(byte, FILLER);
        for (const byte of memory.subarray(end)) equal(byte, FILLER);
      },
    ),
    { numRuns: 1000 },
  );
});

Deno.test("a UDP packet whose header is not whole makes no datagrams", () => {
  const view = new DataView(new ArrayBuffer(100));
  const segmenter = new Segmenter(view);
  equal(segmenter.begin(0, 20, 27, 10, 17), 0);
  equal(segmenter.begin(0, 20, 60, 0, 17), 0);
  equal(segmenter.begin(0, 20, 60, 10, 17), 4);
});
