import { deepEqual, equal, notDeepEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { KEY_LENGTH } from "../wire/header.ts";
import { directionKeys, hkdfSha256, nextKey, wipeKey } from "./key_schedule.ts";

const bytes = (hex: string) => Uint8Array.fromHex(hex);

/** RFC 5869, appendix A, test cases 1 to 3. */
const RFC_5869 = [
  {
    key: "0b".repeat(22),
    salt: "000102030405060708090a0b0c",
    info: "f0f1f2f3f4f5f6f7f8f9",
    output: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf" +
      "34007208d5b887185865",
  },
  {
    key: countingHex(0x00, 0x4f),
    salt: countingHex(0x60, 0xaf),
    info: countingHex(0xb0, 0xff),
    output: "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c" +
      "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71" +
      "cc30c58179ec3e87c14c01d5c1f3434f1d87",
  },
  {
    key: "0b".repeat(22),
    salt: "",
    info: "",
    output: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d" +
      "9d201395faa4b61a96c8",
  },
];

Deno.test("HKDF-SHA256 gives the values of RFC 5869", () => {
  for (const { key, salt, info, output } of RFC_5869) {
    const derived = hkdfSha256(bytes(key), bytes(salt), bytes(info), output.length / 2);
    equal(derived.toHex(), output);
  }
});

/**
 * Computed apart from this code, with OpenSSL 3.0.19 (salt is "fluxify x1", info "c2s" in hex):
 *
 *   openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexkey:000102...1f \
 *     -kdfopt hexsalt:666c7578696679207831 -kdfopt hexinfo:633273 HKDF
 *
 * and for the next epochs with the key before it, no salt and hexinfo:6e657874 ("next").
 */
const SESSION_KEY = countingHex(0x00, 0x1f);
const CLIENT_TO_SERVER = "563771b4259f1de02195c1a65bb3312ebfffc5b815dad04aacad182c62a7067a";
const SERVER_TO_CLIENT = "49dd60156febb7474cfcda23259f9bbc3e72438b39ceb945da903ae22c713889";
const CLIENT_TO_SERVER_1 = "5166aa927fee03864403ba33853f84e736e2b5fdb2f2dd53ff903099e78464b0";
const CLIENT_TO_SERVER_2 = "795be8b63d7d04401d8165e408b5ab58d43bb8aac5485a04ee84d9a49758bbf0";

Deno.test("the keys of each direction and epoch are those OpenSSL derives", () => {
  const keys = directionKeys(bytes(SESSION_KEY));
  equal(keys.clientToServer.toHex(), CLIENT_TO_SERVER);
  equal(keys.serverToClient.toHex(), SERVER_TO_CLIENT);
  const next = nextKey(keys.clientToServer);
  equal(next.toHex(), CLIENT_TO_SERVER_1);
  equal(nextKey(next).toHex(), CLIENT_TO_SERVER_2);
});

Deno.test("deriving leaves the key it starts from as it is, and shares no memory with it", () => {
  const sessionKey = bytes(SESSION_KEY);
  const { clientToServer, serverToClient } = directionKeys(sessionKey);
  wipeKey(clientToServer);
  equal(sessionKey.toHex(), SESSION_KEY);
  equal(serverToClient.toHex(), SERVER_TO_CLIENT);
});

Deno.test("a key of another length is refused, and is not in the message", () => {
  for (const length of [0, 16, KEY_LENGTH - 1, KEY_LENGTH + 1]) {
    const key = new Uint8Array(length).fill(0xab);
    const refused = { name: "RangeError", message: /^Cannot derive a key: give it 32 bytes/ };
    throws(() => directionKeys(key), refused);
    throws(() => nextKey(key), refused);
    throws(() => nextKey(key), (error: Error) => !/abab|171/.test(error.message));
  }
});

Deno.test("a wiped key is zeros", () => {
  const key = bytes(SESSION_KEY);
  wipeKey(key);
  deepEqual(key, new Uint8Array(KEY_LENGTH));
});

Deno.test("property: no two keys of a session are the same", () => {
  const sessionKeys = fc.uint8Array({ minLength: KEY_LENGTH, maxLength: KEY_LENGTH });
  fc.assert(fc.property(sessionKeys, (sessionKey) => {
    const { clientToServer, serverToClient } = directionKeys(sessionKey);
    const keys = [sessionKey, clientToServer, serverToClient, nextKey(clientToServer)];
    keys.push(nextKey(serverToClient));
    equal(new Set(keys.map((key) => key.toHex())).size, keys.length);
    for (const key of keys) equal(key.byteLength, KEY_LENGTH);
    notDeepEqual(clientToServer, serverToClient);
  }));
});

/** The bytes `first` to `last` in hex. */
function countingHex(first: number, last: number): string {
  return Uint8Array.from({ length: last - first + 1 }, (_, index) => first + index).toHex();
}
