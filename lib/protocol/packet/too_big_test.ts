import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { ipv4Word, ipv6Words } from "./inner_address.ts";
import { ipPacket, ipv6, naiveChecksum, tcpPacket } from "./test_packet.ts";
import type { IpFields } from "./test_packet.ts";
import {
  type RouterAddress,
  TOO_BIG_FRAGMENT,
  TOO_BIG_LENGTH_MAX,
  TOO_BIG_SILENT,
  writeTooBig,
} from "./too_big.ts";

const ROUTER: RouterAddress = { ipv4: ipv4Word("10.8.0.1"), ipv6: ipv6Words("fd00:8::1") };
const PAD = 7;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The answer, or the number that stands for why there is none. Checks what lies around it. */
function answer(
  packet: Uint8Array,
  mtu: number,
  router = ROUTER,
  length = packet.length,
): Uint8Array | number {
  const padded = new Uint8Array(PAD + packet.length + PAD).fill(0xee);
  padded.set(packet, PAD);
  const before = padded.slice();
  const target = new Uint8Array(PAD + TOO_BIG_LENGTH_MAX + PAD).fill(0xdd);
  const written = writeTooBig(viewOf(padded), PAD, length, mtu, router, viewOf(target), PAD);
  deepEqual(padded, before, "the packet was changed");
  ok(target.every((byte, i) => byte === 0xdd || (i >= PAD && i < PAD + written)), "out of place");
  return written > 0 ? target.subarray(PAD, PAD + written) : written;
}

function answered(packet: Uint8Array, mtu: number): Uint8Array {
  const result = answer(packet, mtu);
  if (typeof result === "number") throw new Error(`no answer: ${result}`);
  return result;
}

function udp(fields: Partial<IpFields>, length = 1400): Uint8Array {
  const header = fields.version === 6 ? 40 + (fields.extensions?.length ?? 0) : 20;
  const payload = Uint8Array.from({ length: length - header }, (_, i) => i);
  return ipPacket({ protocol: 17, payload, ...fields });
}

/** RFC 4443, 2.3: over the pseudo-header as well. */
function icmp6Checksum(packet: Uint8Array): number {
  const length = packet.length - 40;
  const pseudo = [...packet.subarray(8, 40), 0, 0, length >> 8, length & 255, 0, 0, 0, 58];
  return naiveChecksum(new Uint8Array([...pseudo, ...packet.subarray(40)]));
}

Deno.test("an IPv4 packet is answered with type 3, code 4 and the MTU", () => {
  const packet = udp({ source: [10, 8, 0, 2], destination: [192, 0, 2, 1] });
  const bytes = answered(packet, 1300);
  const view = viewOf(bytes);
  equal(bytes.length, 576);
  equal(view.getUint8(0), 0x45);
  equal(view.getUint16(2), 576);
  equal(bytes[9], 1);
  deepEqual([...bytes.subarray(12, 20)], [10, 8, 0, 1, 10, 8, 0, 2]);
  equal(naiveChecksum(bytes.subarray(0, 20)), 0);
  deepEqual([...bytes.subarray(20, 22)], [3, 4]);
  equal(view.getUint16(24), 0);
  equal(view.getUint16(26), 1300);
  equal(naiveChecksum(bytes.subarray(20)), 0);
  deepEqual(bytes.subarray(28), packet.subarray(0, 548));
});

Deno.test("an IPv6 packet is answered with type 2 and the MTU, in 1280 bytes", () => {
  const packet = udp({ version: 6, source: ipv6(2), destination: ipv6(9) });
  const bytes = answered(packet, 1300);
  const view = viewOf(bytes);
  equal(bytes.length, 1280);
  equal(view.getUint32(0), 0x60000000);
  equal(view.getUint16(4), 1240);
  equal(bytes[6], 58);
  deepEqual([...bytes.subarray(8, 24)], ipv6(1));
  deepEqual([...bytes.subarray(24, 40)], ipv6(2));
  deepEqual([...bytes.subarray(40, 42)], [2, 0]);
  equal(view.getUint32(44), 1300);
  equal(icmp6Checksum(bytes), 0);
  deepEqual(bytes.subarray(48), packet.subarray(0, 1232));
});

Deno.test("answers are whole for packets of any size and contents", () => {
  const fields = fc.record({
    version: fc.constantFrom<4 | 6>(4, 6),
    payload: fc.uint8Array({ minLength: 1300, maxLength: 1500 }),
    mtu: fc.integer({ min: 576, max: 1300 }),
    tos: fc.nat({ max: 255 }),
  });
  fc.assert(fc.property(fields, ({ version, payload, mtu, tos }) => {
    const packet = tcpPacket({ version, payload, tos });
    const bytes = answered(packet, mtu);
    const header = version === 4 ? 20 : 40;
    ok(bytes.length <= (version === 4 ? 576 : 1280));
    deepEqual(bytes.subarray(header + 8), packet.subarray(0, bytes.length - header - 8));
    if (version === 4) {
      equal(naiveChecksum(bytes.subarray(0, 20)), 0);
      equal(naiveChecksum(bytes.subarray(20)), 0);
    } else equal(icmp6Checksum(bytes), 0);
  }));
});

Deno.test("a small packet is quoted whole, one with options with its options", () => {
  const small = udp({}, 100);
  deepEqual(answered(small, 90).subarray(28), small);
  const packet = udp({}, 1400);
  packet[0] = 0x47;
  deepEqual(answered(packet, 1300).subarray(28), packet.subarray(0, 548));
});

Deno.test("an IPv4 packet that may be fragmented is to be fragmented", () => {
  equal(answer(udp({ fragment: 0 }), 1300), TOO_BIG_FRAGMENT);
  equal(answer(udp({ fragment: 0x2000 }), 1300), TOO_BIG_FRAGMENT);
  equal(answer(udp({ fragment: 100 }), 1300), TOO_BIG_FRAGMENT);
  equal(answer(udp({ fragment: 0, destination: [224, 0, 0, 5] }), 1300), TOO_BIG_FRAGMENT);
});

Deno.test("the MTU said to an IPv6 host is never below 1280", () => {
  const bytes = answered(udp({ version: 6 }), 1000);
  equal(viewOf(bytes).getUint32(44), 1280);
  equal(answer(udp({ version: 6 }, 1280), 1000), TOO_BIG_SILENT);
});

const FRAGMENT_HEADER = (offset: number) =>
  Uint8Array.of(17, 0, offset >> 5, (offset << 3) & 0xff | 1, 0, 0, 0, 1);
const OPTIONS_HEADER = (next: number) => Uint8Array.of(next, 0, 1, 4, 0, 0, 0, 0);
const AUTHENTICATION_HEADER = Uint8Array.of(58, 1, ...Array(10).fill(0));

function icmp(version: 4 | 6, type: number, fields: Partial<IpFields> = {}): Uint8Array {
  const payload = new Uint8Array(1380);
  payload[0] = type;
  return ipPacket({ version, protocol: version === 4 ? 1 : 58, payload, ...fields });
}

const SILENT: [string, Uint8Array][] = [
  ["a packet that fits", udp({}, 1300)],
  ["an IPv6 packet that fits", udp({ version: 6 }, 1300)],
  ["an empty packet", new Uint8Array()],
  ["another version", Uint8Array.of(0x55, ...Array(1399).fill(0))],
  ["a later fragment", udp({ fragment: 0x4000 | 10 })],
  [
    "a later fragment of IPv6",
    udp({
      version: 6,
      extensions: FRAGMENT_HEADER(10),
      firstExtension: 44,
    }),
  ],
  ...[3, 4, 5, 11, 12].map((type): [string, Uint8Array] => [`ICMP error ${type}`, icmp(4, type)]),
  ...[1, 2, 3, 4, 127, 137].map((type): [string, Uint8Array] => [
    `ICMPv6 error ${type}`,
    icmp(6, type),
  ]),
  [
    "ICMPv6 error behind options",
    icmp(6, 1, {
      extensions: OPTIONS_HEADER(58),
      firstExtension: 60,
    }),
  ],
  [
    "ICMPv6 error behind authentication",
    icmp(6, 1, {
      extensions: AUTHENTICATION_HEADER,
      firstExtension: 51,
    }),
  ],
  [
    "too many extension headers",
    udp({
      version: 6,
      extensions: new Uint8Array(Array(20).fill([...OPTIONS_HEADER(60)]).flat()),
      firstExtension: 60,
    }),
  ],
  [
    "an extension header that reaches out",
    udp({
      version: 6,
      extensions: Uint8Array.of(17, 255, 0, 0, 0, 0, 0, 0),
      firstExtension: 0,
    }),
  ],
  ["source 0.0.0.0", udp({ source: [0, 0, 0, 0] })],
  ["source 127.0.0.1", udp({ source: [127, 0, 0, 1] })],
  ["source multicast", udp({ source: [224, 0, 0, 1] })],
  ["source broadcast", udp({ source: [255, 255, 255, 255] })],
  ["destination multicast", udp({ destination: [239, 1, 2, 3] })],
  ["destination broadcast", udp({ destination: [255, 255, 255, 255] })],
  ["source ::", udp({ version: 6, source: Array(16).fill(0) })],
  ["source ::1", udp({ version: 6, source: [...Array(15).fill(0), 1] })],
  ["source ff02::1", udp({ version: 6, source: [0xff, 2, ...Array(13).fill(0), 1] })],
];

for (const [what, packet] of SILENT) {
  Deno.test(`no answer to ${what}`, () => equal(answer(packet, 1300), TOO_BIG_SILENT));
}

Deno.test("what is no error, or the first of fragments, is answered", () => {
  for (const type of [0, 8, 13]) answered(icmp(4, type), 1300);
  for (const type of [128, 129, 135]) answered(icmp(6, type), 1300);
  answered(udp({ fragment: 0x4000 | 0x2000 }), 1300);
  answered(udp({ version: 6, extensions: FRAGMENT_HEADER(0), firstExtension: 44 }), 1300);
  answered(icmp(6, 128, { extensions: OPTIONS_HEADER(58), firstExtension: 0 }), 1300);
  // RFC 4443, 2.4 (e.3): this one is allowed.
  answered(udp({ version: 6, destination: [0xff, 0x0e, ...Array(13).fill(0), 1] }), 1300);
});

Deno.test("no answer to IPv6 from a tunnel that has none, or to a packet that is cut short", () => {
  equal(answer(udp({ version: 6 }), 1300, { ...ROUTER, ipv6: null }), TOO_BIG_SILENT);
  equal(answer(udp({}), 1300, ROUTER, 1399), TOO_BIG_SILENT);
  equal(answer(udp({ version: 6 }), 1300, ROUTER, 1399), TOO_BIG_SILENT);
  equal(answer(udp({ version: 6 }), 1300, ROUTER, 39), TOO_BIG_SILENT);
  for (const headerLength of [0x44, 0x40]) {
    const packet = udp({});
    packet[0] = headerLength;
    equal(answer(packet, 1300), TOO_BIG_SILENT);
  }
});

Deno.test("no bytes make it fail", () => {
  const bytes = fc.uint8Array({ minLength: 0, maxLength: 1600, size: "max" });
  fc.assert(fc.property(bytes, fc.nat({ max: 1500 }), fc.constantFrom(4, 6), (bytes, mtu, v) => {
    if (bytes.length > 0) bytes[0] = (v << 4) | (bytes[0]! & 15);
    answer(bytes, mtu);
  }));
});
