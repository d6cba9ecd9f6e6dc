import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { createCipheriv, randomBytes } from "node:crypto";
import fc from "fast-check";
import { Arena } from "../memory/arena.ts";
import { Libcrypto, type Opener, type Sealer } from "./aes_gcm.ts";

const NONCE = 0, AAD = 16, INPUT = 64, OUTPUT = 4096, TAG = 8192;

function seal(arena: Arena, sealer: Sealer, length: number, aadLength = 22): boolean {
  const at = (offset: number) => arena.address(offset);
  return sealer.seal(
    at(NONCE),
    at(AAD),
    aadLength,
    at(INPUT),
    length,
    at(OUTPUT),
    at(TAG),
  );
}

function open(arena: Arena, opener: Opener, length: number, aadLength = 22): boolean {
  const at = (offset: number) => arena.address(offset);
  return opener.open(at(NONCE), at(AAD), aadLength, at(OUTPUT), length, at(INPUT), at(TAG));
}

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

Deno.test("Sealer gives the tag of McGrew and Viega's test case 13", () => {
  const arena = new Arena(16384);
  const sealer = Libcrypto.open().sealer(new Uint8Array(32));
  ok(seal(arena, sealer, 0, 0));
  deepEqual(arena.bytes.slice(TAG, TAG + 16), hex("530f8afbc74536b9a963b4f1c4cb738b"));
  sealer.free();
});

Deno.test("Sealer gives what node:crypto gives, and Opener undoes it", () => {
  const arena = new Arena(16384);
  const libcrypto = Libcrypto.open();
  fc.assert(fc.property(
    fc.uint8Array({ minLength: 32, maxLength: 32 }),
    fc.uint8Array({ minLength: 12, maxLength: 12 }),
    fc.uint8Array({ minLength: 22, maxLength: 22 }),
    fc.uint8Array({ maxLength: 1500 }),
    (key, nonce, aad, plaintext) => {
      const sealer = libcrypto.sealer(key);
      const opener = libcrypto.opener(key);
      arena.bytes.set(nonce, NONCE);
      arena.bytes.set(aad, AAD);
      arena.bytes.set(plaintext, INPUT);
      ok(seal(arena, sealer, plaintext.length));
      const reference = createCipheriv("aes-256-gcm", key, nonce).setAAD(aad);
      const ciphertext = new Uint8Array(
        Buffer.concat([reference.update(plaintext), reference.final()]),
      );
      deepEqual(arena.bytes.slice(OUTPUT, OUTPUT + plaintext.length), ciphertext);
      deepEqual(arena.bytes.slice(TAG, TAG + 16), new Uint8Array(reference.getAuthTag()));
      ok(open(arena, opener, plaintext.length));
      deepEqual(arena.bytes.slice(INPUT, INPUT + plaintext.length), plaintext);
      sealer.free();
      opener.free();
    },
  ));
});

Deno.test("Opener refuses a flipped bit in nonce, AAD, ciphertext or tag", () => {
  const arena = new Arena(16384);
  const libcrypto = Libcrypto.open();
  const key = new Uint8Array(randomBytes(32));
  const sealer = libcrypto.sealer(key);
  const opener = libcrypto.opener(key);
  arena.bytes.set(randomBytes(1400), INPUT);
  for (const [start, length] of [[NONCE, 12], [AAD, 22], [OUTPUT, 1400], [TAG, 16]] as const) {
    for (const at of [start, start + length - 1]) {
      ok(seal(arena, sealer, 1400));
      arena.bytes[at]! ^= 1;
      equal(open(arena, opener, 1400), false, `byte ${at}`);
      arena.bytes[at]! ^= 1;
    }
  }
  sealer.free();
  opener.free();
  opener.free();
});

Deno.test("Libcrypto refuses a key of the wrong length", () => {
  throws(() => Libcrypto.open().sealer(new Uint8Array(16)), /AES-256 takes 32/);
});
