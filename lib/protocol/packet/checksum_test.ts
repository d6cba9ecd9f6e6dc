import { equal, ok } from "node:assert/strict";
import fc from "fast-check";
import {
  completeChecksum,
  fold,
  sumBytes,
  sumPseudoHeader,
  writeIpv4Checksum,
} from "./checksum.ts";
import { hasRightChecksums, ipPacket, naiveChecksum, tcpPacket } from "./test_packet.ts";

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

Deno.test("sumBytes() sums up the example of RFC 1071", () => {
  const bytes = Uint8Array.fromHex("0001f203f4f5f6f7");
  equal(fold(sumBytes(viewOf(bytes), 0, 8)), 0xddf2);
});

Deno.test("sumBytes() agrees with two bytes at a time, at any offset and length", () => {
  const bytes = fc.uint8Array({ maxLength: 300 });
  fc.assert(fc.property(bytes, fc.nat({ max: 9 }), fc.nat({ max: 9 }), (bytes, before, after) => {
    const padded = new Uint8Array([
      ...Array(before).fill(255),
      ...bytes,
      ...Array(after).fill(255),
    ]);
    const sum = fold(sumBytes(viewOf(padded), before, bytes.length));
    equal(~sum & 0xffff, naiveChecksum(bytes));
  }));
});

Deno.test("sumBytes() loses no carry over 64 KiB of ones", () => {
  for (const length of [65_535, 65_534, 65_533, 65_532, 65_536]) {
    const bytes = new Uint8Array(length).fill(255);
    equal(~fold(sumBytes(viewOf(bytes), 0, length)) & 0xffff, naiveChecksum(bytes));
  }
});

Deno.test("fold() keeps the sum modulo 65535, and 0 only for 0", () => {
  fc.assert(fc.property(fc.maxSafeNat().map((sum) => Math.floor(sum / 64)), (sum) => {
    const folded = fold(sum);
    ok(folded >= 0 && folded <= 0xffff);
    equal(folded % 0xffff, sum % 0xffff);
    equal(folded === 0, sum === 0);
  }));
});

Deno.test("completeChecksum() makes TCP and UDP packets right, of odd lengths too", () => {
  const payload = fc.uint8Array({ maxLength: 101 });
  fc.assert(fc.property(payload, fc.constantFrom<4 | 6>(4, 6), (payload, version) => {
    const packet = tcpPacket({ version, payload });
    const transport = version === 4 ? 20 : 40;
    const view = viewOf(packet);
    const length = packet.length - transport;
    view.setUint16(transport + 16, fold(sumPseudoHeader(view, 0, 6) + length));
    completeChecksum(view, transport, packet.length, transport + 16);
    ok(hasRightChecksums(packet, transport));
  }));
});

Deno.test("completeChecksum() writes ffff for a sum of 0, which in UDP means none", () => {
  const datagram = new Uint8Array(8);
  viewOf(datagram).setUint16(4, 8);
  const packet = ipPacket({ protocol: 17, payload: datagram });
  const view = viewOf(packet);
  // The source port is what makes the whole add up to ffff.
  const rest = fold(sumPseudoHeader(view, 0, 17) + 8 + sumBytes(view, 20, 8));
  view.setUint16(20, 0xffff - rest);
  view.setUint16(26, fold(sumPseudoHeader(view, 0, 17) + 8));
  completeChecksum(view, 20, packet.length, 26);
  equal(view.getUint16(26), 0xffff);
});

Deno.test("writeIpv4Checksum() covers options, and nothing behind the header", () => {
  const packet = Uint8Array.fromHex(
    "46000024000040004011000ac0a80001c0a800c794040000" + "ff".repeat(12),
  );
  writeIpv4Checksum(viewOf(packet), 0, 24);
  equal(naiveChecksum(packet.subarray(0, 24)), 0);
  equal(packet.at(-1), 255);
});
