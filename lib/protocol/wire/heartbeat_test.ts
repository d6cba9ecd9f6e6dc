import { equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { decodeHeartbeat, encodeHeartbeat } from "./heartbeat.ts";

Deno.test("a heartbeat is the clock in nanoseconds, big-endian", () => {
  equal(encodeHeartbeat(0).toHex(), "0000000000000000");
  equal(encodeHeartbeat(1).toHex(), "00000000000f4240");
  equal(encodeHeartbeat(1234.567891).toHex(), "00000000499602d3");
  equal(decodeHeartbeat(Uint8Array.fromHex("00000000499602d3")), 1234.567891);
});

Deno.test("what is read back is the clock to a microsecond, for a hundred days", () => {
  fc.assert(fc.property(fc.double({ min: 0, max: 1e10, noNaN: true }), (now) => {
    ok(Math.abs(decodeHeartbeat(encodeHeartbeat(now))! - now) <= 1e-3);
  }));
});

Deno.test("another length is none, and any 8 bytes are one", () => {
  for (const length of [0, 7, 9, 100]) equal(decodeHeartbeat(new Uint8Array(length)), null);
  const padded = new Uint8Array(20).fill(255);
  equal(decodeHeartbeat(padded.subarray(5, 13)), (2 ** 64) / 1e6);
});
