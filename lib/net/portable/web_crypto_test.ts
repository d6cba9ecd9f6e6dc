import { deepEqual, equal, notDeepEqual } from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import fc from "fast-check";
import { HEADER_LENGTH, PAYLOAD_OFFSET, RECORD_OVERHEAD } from "../../protocol/wire/header.ts";
import { WEB_CRYPTO_SUITE } from "./web_crypto.ts";

const KEY = new Uint8Array(32).map((_, at) => at);

function record(text: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length + RECORD_OVERHEAD);
  for (let at = 0; at < PAYLOAD_OFFSET; at++) bytes[at] = at * 7;
  bytes.set(text, PAYLOAD_OFFSET);
  return bytes;
}

Deno.test("a record is sealed as OpenSSL seals it, and opened in place", async () => {
  const sealer = WEB_CRYPTO_SUITE.sealer(KEY);
  const opener = WEB_CRYPTO_SUITE.opener(KEY);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 1500 }), async (text) => {
      const plain = record(text);
      const sealed = plain.slice();
      equal(await sealer.seal(sealed), true);
      const cipher = createCipheriv("aes-256-gcm", KEY, plain.subarray(22, 34));
      cipher.setAAD(plain.subarray(0, HEADER_LENGTH));
      const expected = [...cipher.update(text), ...cipher.final(), ...cipher.getAuthTag()];
      deepEqual([...sealed.subarray(PAYLOAD_OFFSET)], expected);
      equal(await opener.open(sealed), true);
      deepEqual(sealed.subarray(0, -16), plain.subarray(0, -16));
    }),
    { numRuns: 50 },
  );
});

Deno.test("a record with any byte changed is not opened, and left as it is", async () => {
  const sealed = record(new Uint8Array(10).fill(9));
  await WEB_CRYPTO_SUITE.sealer(KEY).seal(sealed);
  const opener = WEB_CRYPTO_SUITE.opener(KEY);
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.slice();
    changed[at]! ^= 1;
    const before = changed.slice();
    equal(await opener.open(changed), false, `byte ${at}`);
    deepEqual(changed, before);
  }
});

Deno.test("the key given is copied, and may be wiped at once", async () => {
  const key = KEY.slice();
  const sealer = WEB_CRYPTO_SUITE.sealer(key);
  key.fill(0);
  const sealed = record(new Uint8Array(3));
  await sealer.seal(sealed);
  equal(await WEB_CRYPTO_SUITE.opener(KEY).open(sealed), true);
});

Deno.test("a freed cipher finishes what it has begun, and begins nothing", async () => {
  const sealer = WEB_CRYPTO_SUITE.sealer(KEY);
  const begun = record(new Uint8Array(3));
  const plain = begun.slice();
  const sealing = sealer.seal(begun);
  sealer.free();
  equal(await sealing, true);
  notDeepEqual(begun, plain);
  const opener = WEB_CRYPTO_SUITE.opener(KEY);
  const opening = opener.open(begun.slice());
  opener.free();
  opener.free();
  equal(await opening, true);
  equal(await sealer.seal(plain), false);
  equal(await opener.open(begun), false);
});

Deno.test("a key of another length than AES-256 has opens and seals nothing", async () => {
  for (const length of [0, 16, 31, 33]) {
    equal(await WEB_CRYPTO_SUITE.sealer(new Uint8Array(length)).seal(record(KEY)), false);
    equal(await WEB_CRYPTO_SUITE.opener(new Uint8Array(length)).open(record(KEY)), false);
  }
});

Deno.test("what is too short to be a record is not opened", async () => {
  const opener = WEB_CRYPTO_SUITE.opener(KEY);
  for (const length of [0, 22, 34, 49]) equal(await opener.open(new Uint8Array(length)), false);
});
