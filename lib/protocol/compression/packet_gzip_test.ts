import { deepEqual, equal, ok } from "node:assert/strict";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { gunzipPacket, gzipPacket } from "./packet_gzip.ts";

const TEXT = new TextEncoder().encode("a packet, a packet, a packet, ".repeat(20));

Deno.test("a packet that has room comes back", () => {
  fc.assert(fc.property(fc.uint8Array({ max: 7, minLength: 1, maxLength: 1500 }), (packet) => {
    const gzip = gzipPacket(packet, packet.length + 100)!;
    deepEqual(new Uint8Array(gunzipPacket(gzip, 1500)!), packet);
    ok(gzipPacket(packet, gzip.length));
    equal(gzipPacket(packet, gzip.length - 1), null);
    equal(gunzipPacket(gzip, packet.length - 1), null);
  }));
});

Deno.test("bombs, pieces and what has something behind it are refused", () => {
  const whole = gzipSync(TEXT);
  equal(gunzipPacket(gzipSync(new Uint8Array(50_000_000)), 1500), null);
  for (let length = 0; length < whole.length; length++) {
    equal(gunzipPacket(whole.subarray(0, length), 1500), null, `${length} bytes`);
  }
  for (const rest of [new Uint8Array(1), new Uint8Array(8), gzipSync(""), whole]) {
    equal(gunzipPacket(new Uint8Array([...whole, ...rest]), 1500), null);
  }
  equal(gunzipPacket(whole, 1500)?.length, TEXT.length);
});

Deno.test("the inflated packet is never longer than allowed, and bad input never throws", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(1500), (body, capacity) => {
    const gzip = new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, ...body]);
    for (const bytes of [body, gzip]) ok((gunzipPacket(bytes, capacity)?.length ?? 0) <= capacity);
  }));
});
