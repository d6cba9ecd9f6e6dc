import { equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { ByteDiversity } from "./byte_diversity.ts";
import { encryptedBytes, textBytes } from "./test_traffic.ts";

const diversity = new ByteDiversity();
const looksCompressible = (bytes: Uint8Array) =>
  diversity.looksCompressible(bytes, 0, bytes.length);

Deno.test("encrypted bytes do not look compressible, at any length of a packet", () => {
  for (let seed = 0; seed < 2000; seed++) {
    ok(!looksCompressible(encryptedBytes(216 + seed % 1244, seed)), `seed ${seed}`);
  }
});

Deno.test("text, base64, zeros, numbers and what is half encrypted look compressible", () => {
  for (let seed = 0; seed < 500; seed++) {
    const encrypted = encryptedBytes(1400, seed);
    const numbers = new Uint8Array(Uint32Array.from(encrypted, (byte) => byte * 3).buffer);
    ok(looksCompressible(textBytes(216 + seed, seed)), `seed ${seed}`);
    ok(looksCompressible(new TextEncoder().encode(encrypted.toBase64())), `seed ${seed}`);
    ok(looksCompressible(numbers), `seed ${seed}`);
    ok(looksCompressible(encrypted.fill(0, 600)), `seed ${seed}`);
  }
  ok(looksCompressible(new Uint8Array(1400)));
});

Deno.test("only the bytes asked for are looked at, and no more of them than the sample", () => {
  fc.assert(fc.property(fc.nat(1500), fc.nat(1500), (offset, length) => {
    const bytes = new Uint8Array(3000).map((_, at) => at);
    const inside = Uint8Array.from(
      { length: 3000 },
      (_, at) => at >= offset && at < offset + length ? 7 : at,
    );
    const distinct = diversity.countDistinct(bytes, offset, length);
    ok(distinct >= Math.min(length, 60) && distinct <= Math.min(length, 128));
    equal(diversity.countDistinct(inside, offset, length), length === 0 ? 0 : 1);
  }));
});
