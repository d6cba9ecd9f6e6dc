import { deepEqual, equal } from "node:assert/strict";
import { hasRightChecksums, tcpPacket } from "./test_packet.ts";
import {
  controlTrafficClass,
  outerTrafficClass,
  passEcnOn,
  trafficClassOf,
} from "./traffic_class.ts";

const EF = 46 << 2;
const NOT_ECT = 0, ECT1 = 1, ECT0 = 2, CE = 3;

function packetOf(version: 4 | 6, tos: number) {
  const packet = tcpPacket({ version, tos, payload: new Uint8Array(10) });
  const moved = new Uint8Array(packet.length + 3);
  moved.set(packet, 3);
  return { moved, view: new DataView(moved.buffer), transport: version === 4 ? 20 : 40 };
}

for (const version of [4, 6] as const) {
  Deno.test(`IPv${version}: the traffic class is read`, () => {
    for (const tos of [0, EF, EF | ECT0, 0xff]) {
      equal(trafficClassOf(packetOf(version, tos).view, 3), tos);
    }
  });

  Deno.test(`IPv${version}: ECN is passed on as RFC 6040 says, and nothing else changes`, () => {
    // Inner, outer, what becomes of it; null: dropped.
    const table: [number, number, number | null][] = [
      ...[NOT_ECT, ECT0, ECT1].map((outer): [number, number, number] => [NOT_ECT, outer, NOT_ECT]),
      [NOT_ECT, CE, null],
      [ECT0, NOT_ECT, ECT0],
      [ECT0, ECT0, ECT0],
      [ECT0, ECT1, ECT1],
      [ECT0, CE, CE],
      [ECT1, NOT_ECT, ECT1],
      [ECT1, ECT0, ECT1],
      [ECT1, ECT1, ECT1],
      [ECT1, CE, CE],
      ...[NOT_ECT, ECT0, ECT1, CE].map((outer): [number, number, number] => [CE, outer, CE]),
    ];
    for (const [inner, outer, expected] of table) {
      const { moved, view, transport } = packetOf(version, EF | inner);
      const isKept = passEcnOn(view, 3, outer | 0xfc);
      deepEqual([inner, outer, isKept], [inner, outer, expected !== null]);
      if (expected === null) continue;
      deepEqual([inner, outer, trafficClassOf(view, 3)], [inner, outer, EF | expected]);
      equal(hasRightChecksums(moved.subarray(3), transport), true);
      const unmarked = packetOf(version, EF | expected).moved;
      deepEqual(moved, unmarked);
    }
  });
}

Deno.test("the datagram has the DSCP of the packet, none, or the one chosen", () => {
  equal(outerTrafficClass(EF | ECT0, "copy", false), EF);
  equal(outerTrafficClass(EF | ECT0, "off", false), 0);
  equal(outerTrafficClass(EF | ECT0, 8, false), 32);
  equal(controlTrafficClass("copy"), 0);
  equal(controlTrafficClass("off"), 0);
  equal(controlTrafficClass(8), 32);
});

Deno.test("the datagram can be marked where the peer passes marks on", () => {
  for (const ecn of [NOT_ECT, ECT1, ECT0, CE]) {
    equal(outerTrafficClass(EF | ecn, "copy", true), EF | ecn);
    equal(outerTrafficClass(EF | ecn, "off", true), ecn);
    equal(outerTrafficClass(EF | ecn, 8, true), 32 | ecn);
  }
});
