import { deepEqual, equal } from "node:assert/strict";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { gunzip } from "./gunzip.ts";

Deno.test("gunzip() gives back what was compressed", async () => {
  const text = fc.uint8Array({ maxLength: 1500 });
  await fc.assert(
    fc.asyncProperty(text, async (text) => {
      deepEqual(await gunzip(gzipSync(text), 1500), new Uint8Array(text));
    }),
    { numRuns: 30 },
  );
});

Deno.test("gunzip() gives what is as long as allowed, and nothing longer", async () => {
  equal((await gunzip(gzipSync(new Uint8Array(1500)), 1500))?.length, 1500);
  equal(await gunzip(gzipSync(new Uint8Array(1501)), 1500), null);
  equal(await gunzip(gzipSync(new Uint8Array(50_000_000)), 1500), null);
});

Deno.test("gunzip() gives nothing for a stream that is cut, changed or none", async () => {
  const whole = new Uint8Array(gzipSync(new TextEncoder().encode("a packet, a packet, a packet")));
  for (let length = 0; length < whole.length; length++) {
    equal(await gunzip(whole.subarray(0, length), 1500), null, `${length} bytes`);
  }
  const changed = whole.slice();
  changed[changed.length - 6]! ^= 1; // of the CRC
  equal(await gunzip(changed, 1500), null);
  equal(await gunzip(new Uint8Array(100).fill(1), 1500), null);
});
