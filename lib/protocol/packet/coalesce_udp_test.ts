import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { completeChecksum, fold, sumPseudoHeader } from "./checksum.ts";
import { UdpCoalescer } from "./coalesce_udp.ts";
import { hasRightChecksums, type IpFields, ipPacket } from "./test_packet.ts";

interface UdpFields extends IpFields {
  readonly ports: number;
}

/** A UDP packet with the pseudo-header's sum for a checksum. */
function udpPacket(data: Uint8Array, fields: Partial<UdpFields> = {}): Uint8Array<ArrayBuffer> {
  const { version = 4, ports = 4000 << 16 | 443 } = fields;
  const payload = new Uint8Array(8 + data.length);
  const header = new DataView(payload.buffer);
  header.setInt32(0, ports);
  header.setUint16(4, payload.length);
  payload.set(data, 8);
  const packet = ipPacket({ ...fields, protocol: 17, payload });
  const view = new DataView(packet.buffer);
  const transport = version === 4 ? 20 : 40;
  view.setUint16(transport + 6, fold(sumPseudoHeader(view, 0, 17) + payload.length));
  return packet;
}

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

/** The packets a super-packet is cut into, as by Linux: lengths and sums anew, numbers counted on. */
function cut(whole: Uint8Array, version: 4 | 6, size: number): Uint8Array[] {
  const headers = version === 4 ? 28 : 48;
  const packets: Uint8Array[] = [];
  for (let at = headers; at < whole.length; at += size) {
    const data = whole.subarray(at, at + size);
    const tos = version === 4 ? whole[1]! : ((whole[0]! << 4) | (whole[1]! >> 4)) & 0xff;
    const view = new DataView(whole.buffer);
    packets.push(udpPacket(data, {
      version,
      tos,
      ttl: whole[version === 4 ? 8 : 7]!,
      ports: view.getInt32(headers - 8),
    }));
  }
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
        udpPacket(Uint8Array.from({ length }, (_, at) => at + index), { version, tos })
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
  const first = udpPacket(data);
  const count = (...packets: Uint8Array[]) => join(packets, 4).count;
  equal(count(first, first), 2);
  equal(count(first, udpPacket(data, { ports: 4000 << 16 | 444 })), 1);
  equal(count(first, udpPacket(data, { source: [10, 8, 0, 3] })), 1);
  equal(count(first, udpPacket(data, { tos: 1 })), 1);
  equal(count(first, udpPacket(data, { ttl: 63 })), 1);
  equal(count(first, udpPacket(data, { identification: 7 })), 2);
  equal(count(first, udpPacket(new Uint8Array(101))), 1);
  equal(count(first, udpPacket(new Uint8Array(0))), 1);
  equal(count(first, udpPacket(new Uint8Array(99)), first), 2, "a shorter one ends it");
});

Deno.test("what the kernel would not give back as it was is left alone", () => {
  const data = new Uint8Array(100);
  const count = (packet: Uint8Array) => join([packet], 4).count;
  equal(count(udpPacket(data, { fragment: 0 })), 0, "may be fragmented");
  equal(count(udpPacket(data, { fragment: 0x2000 })), 0, "a fragment");
  equal(count(udpPacket(new Uint8Array(0))), 0, "no data");
  const wrongLength = udpPacket(data);
  new DataView(wrongLength.buffer).setUint16(24, 50);
  equal(count(wrongLength), 0, "data behind the datagram");
});

Deno.test("a batch has 64 packets at most, and no more bytes than IP can tell", () => {
  equal(join(Array(70).fill(udpPacket(new Uint8Array(10))), 4).count, 64);
  const { count, whole } = join(Array(64).fill(udpPacket(new Uint8Array(1400))), 4);
  equal(count, 46);
  ok(whole.length <= 65_535);
});
