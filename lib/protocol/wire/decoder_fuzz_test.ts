/**
 * Random input to the decoders of JSON messages: raw bytes, valid messages with bytes changed or
 * cut, and JSON of the right shape with values of any kind. Each may answer only what its contract
 * names, and what it takes must be within the documented ranges.
 */

import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import {
  ControlMessageError,
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
} from "./control_message.ts";
import { KEY_LENGTH } from "./header.ts";
import { JsonObjectReader } from "./json_object_reader.ts";
import { decodeTunnelMessage, encodeTunnelMessage } from "./tunnel_message.ts";

const RUNS = { numRuns: 400 };
const KEY_BASE64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

const VALID_MESSAGES = [
  encodeRequest({ clientName: "laptop", features: ["x1"], clientVersion: "0.1.0" }),
  encodeResponse({
    kind: "grant",
    sessionId: 7,
    sessionKey: Uint8Array.fromBase64(KEY_BASE64),
    udpPort: 8000,
    udpHosts: [],
    clientIp: "10.8.0.2",
    clientIp6: "fd00:8:0::2",
    prefix4: 24,
    prefix6: 64,
    features: ["x1"],
    mtu: 1400,
  }),
  encodeResponse({ kind: "refusal", code: "full", message: "Free an address" }),
  encodeTunnelMessage({ type: "bye" }),
  encodeTunnelMessage({ type: "paths", usable: [0, 2] }),
];

const MUTATED = fc.tuple(
  fc.constantFrom(...VALID_MESSAGES),
  fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }),
  fc.option(fc.nat()),
).map(([message, changes, cut]) => {
  const bytes = message.slice();
  for (const [offset, byte] of changes) bytes[offset % bytes.length] = byte;
  return cut === null ? bytes : bytes.slice(0, cut % bytes.length);
});

const ANY_VALUE = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.integer({ min: -1, max: 70_000 }),
  fc.constantFrom(
    0xffffffff,
    2 ** 32,
    1e308,
    KEY_BASE64,
    "10.8.0.2",
    "fd00:8:0::2",
    "bye",
    "paths",
  ),
  fc.array(fc.integer({ min: -1, max: 256 }), { maxLength: 5 }),
);

const FIELDS = [
  "client_name",
  "features",
  "client_version",
  "session_id",
  "session_key",
  "udp_port",
  "udp_hosts",
];
FIELDS.push("client_ip", "client_ip6", "mtu", "error", "type", "usable", "__proto__", "toString");

/**
 * Valid and invalid fields mixed, so that a decoder is left at each of its checks and at the end.
 */
const SHAPED = fc.tuple(
  fc.constantFrom("{}", ...VALID_MESSAGES.map((message) => new TextDecoder().decode(message))),
  fc.array(fc.tuple(fc.constantFrom(...FIELDS), ANY_VALUE), { maxLength: 3 }),
).map(([message, changes]) => {
  const object = new Map<string, unknown>(Object.entries(JSON.parse(message)));
  for (const [field, value] of changes) object.set(field, value);
  const members = [...object].map(([field, value]) =>
    `${JSON.stringify(field)}:${JSON.stringify(value)}`
  );
  return new TextEncoder().encode(`{${members.join(",")}}`);
});

const INPUTS = fc.oneof(fc.uint8Array({ maxLength: 200 }), MUTATED, SHAPED);

/** The decoder's value, or null when it refused as documented. */
function attempt<Value>(decode: (bytes: Uint8Array) => Value, bytes: Uint8Array): Value | null {
  try {
    return decode(bytes);
  } catch (error) {
    ok(error instanceof ControlMessageError, `threw ${error}`);
    ok(error.message.length < 300 && !error.message.includes("AAECAwQF"), error.message);
    return null;
  }
}

Deno.test("fuzz: a request is decoded or refused with ControlMessageError", () => {
  fc.assert(
    fc.property(INPUTS, (bytes) => {
      const before = bytes.slice();
      const request = attempt(decodeRequest, bytes);
      deepEqual(bytes, before, "input is left as it is");
      if (request === null) return;
      ok(!/\p{Cc}/u.test(request.clientName + request.clientVersion + request.features.join("")));
      deepEqual(decodeRequest(encodeRequest(request)), request);
    }),
    RUNS,
  );
});

Deno.test("fuzz: a response is decoded or refused with ControlMessageError", () => {
  fc.assert(
    fc.property(INPUTS, (bytes) => {
      const response = attempt(decodeResponse, bytes);
      if (response === null) return;
      if (response.kind === "grant") {
        equal(response.sessionKey.length, KEY_LENGTH);
        ok(response.sessionId > 0 && response.sessionId >>> 0 === response.sessionId);
        ok(response.udpPort > 0 && response.udpPort < 65_536);
        ok(response.mtu === null || (response.mtu >= 576 && response.mtu <= 65_535));
      }
      deepEqual(decodeResponse(encodeResponse(response)), response);
    }),
    RUNS,
  );
});

Deno.test("fuzz: a tunnel message is decoded or null", () => {
  fc.assert(
    fc.property(INPUTS, (bytes) => {
      const message = decodeTunnelMessage(bytes);
      if (message === null) return;
      ok(message.type !== "paths" || message.usable.every((id) => id >= 0 && id <= 255));
      deepEqual(decodeTunnelMessage(encodeTunnelMessage(message)), message);
    }),
    RUNS,
  );
});

Deno.test("fuzz: the object reader always has one of its four answers", () => {
  const chunks = fc.array(INPUTS, { maxLength: 4 });
  fc.assert(
    fc.property(chunks, (chunks) => {
      const reader = new JsonObjectReader(300);
      let before = "incomplete";
      for (const chunk of chunks) {
        const result = reader.read(chunk);
        ok(["incomplete", "too large", "malformed", "complete"].includes(result.state));
        if (before !== "incomplete") equal(result.state, before, "an end is final");
        if (result.state === "complete") {
          ok(typeof result.object === "object" && !Array.isArray(result.object));
        }
        before = result.state;
      }
    }),
    RUNS,
  );
});

Deno.test("the fuzz inputs reach both ends of each decoder", () => {
  const inputs = fc.sample(INPUTS, { numRuns: 1000, seed: 1 });
  for (const decode of [decodeRequest, decodeResponse, decodeTunnelMessage]) {
    const taken = inputs.filter((bytes) => attempt<unknown>(decode, bytes) !== null).length;
    ok(taken > 20 && taken < 980, `${decode.name} took ${taken} of 1000`);
  }
});
