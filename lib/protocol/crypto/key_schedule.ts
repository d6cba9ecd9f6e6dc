/**
 * The keys of feature "x1": one for each direction, drawn from the session key of the control
 * exchange, and for each epoch one drawn from the key before. HKDF-SHA256 (RFC 5869), so an earlier
 * key cannot be found from a later one, nor one direction's from the other's.
 */

import { hkdfSync } from "node:crypto";
import { KEY_LENGTH } from "../wire/header.ts";

const SALT = "fluxify x1";
const INFO_CLIENT_TO_SERVER = "c2s";
const INFO_SERVER_TO_CLIENT = "s2c";
const INFO_NEXT = "next";

/** The caller owns both keys and wipes them. */
interface DirectionKeys {
  readonly clientToServer: Uint8Array<ArrayBuffer>;
  readonly serverToClient: Uint8Array<ArrayBuffer>;
}

/** The keys of epoch 0. Throws RangeError unless `sessionKey` has KEY_LENGTH bytes. */
export function directionKeys(sessionKey: Uint8Array): DirectionKeys {
  return {
    clientToServer: derive(sessionKey, SALT, INFO_CLIENT_TO_SERVER),
    serverToClient: derive(sessionKey, SALT, INFO_SERVER_TO_CLIENT),
  };
}

/**
 * The key of the epoch after that of `key`, which is left as it is. Throws as directionKeys() does.
 */
export function nextKey(key: Uint8Array): Uint8Array<ArrayBuffer> {
  return derive(key, "", INFO_NEXT);
}

/** Overwrites a key that can no longer be needed. */
export function wipeKey(key: Uint8Array): void {
  key.fill(0);
}

function derive(key: Uint8Array, salt: string, info: string): Uint8Array<ArrayBuffer> {
  if (key.byteLength !== KEY_LENGTH) {
    throw new RangeError(`Cannot derive a key: give it ${KEY_LENGTH} bytes, not ${key.byteLength}`);
  }
  return hkdfSha256(key, encode(salt), encode(info), KEY_LENGTH);
}

/** HKDF-SHA256 as RFC 5869 has it: `length` bytes, at most 255 * 32. An empty salt is 32 zeros. */
export function hkdfSha256(
  key: Uint8Array,
  salt: Uint8Array,
  info: Uint8Array,
  length: number,
): Uint8Array<ArrayBuffer> {
  return new Uint8Array(hkdfSync("sha256", key, salt, info, length));
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
