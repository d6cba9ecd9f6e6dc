import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import {
  CLIENT_NAME_LENGTH_MAX,
  CLIENT_ROUTES_MAX,
  CLIENT_VERSION_LENGTH_MAX,
  CONTROL_EXCHANGE_TIMEOUT_MS,
  CONTROL_REQUEST_BYTES_MAX,
  CONTROL_RESPONSE_BYTES_MAX,
  type ControlGrant,
  ControlMessageError,
  createRequestReader,
  createResponseReader,
  decodeRequest,
  decodeResponse,
  encodeRequest,
  encodeResponse,
  ERROR_CODE_LENGTH_MAX,
  ERROR_MESSAGE_LENGTH_MAX,
  FEATURE_LENGTH_MAX,
  FEATURES_MAX,
  TUN_MTU_MAX,
  TUN_MTU_MIN,
  UDP_HOSTS_MAX,
  unusable,
} from "./control_message.ts";

const KEY = Uint8Array.from({ length: 32 }, (_, index) => index);
const KEY_BASE64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

const GRANT: ControlGrant = {
  kind: "grant",
  sessionId: 0xfedcba98,
  sessionKey: KEY,
  udpPort: 8000,
  udpHosts: [],
  clientIp: "10.8.0.2",
  clientIp6: "fd00:8:0::2",
  prefix4: 24,
  prefix6: 64,
  features: ["x1"],
  mtu: 1400,
};

/** What a v1 server sends. */
const V1_GRANT = {
  session_id: 7,
  session_key: KEY_BASE64,
  udp_port: 8000,
  client_ip: "10.8.0.2",
  client_ip6: "fd00:8:0::2",
};

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

Deno.test("the limits are those of the protocol", () => {
  equal(CONTROL_REQUEST_BYTES_MAX, 16384);
  equal(CONTROL_EXCHANGE_TIMEOUT_MS, 10_000);
  deepEqual([TUN_MTU_MIN, TUN_MTU_MAX], [576, 65_535]);
});

Deno.test("a request on the wire", () => {
  const bytes = encodeRequest({ clientName: "laptop", features: ["x1"], clientVersion: "0.1.0" });
  equal(text(bytes), '{"client_name":"laptop","features":["x1"],"client_version":"0.1.0"}');
});

Deno.test("a grant on the wire", () => {
  equal(
    text(encodeResponse(GRANT)),
    `{"session_id":4275878552,"session_key":"${KEY_BASE64}","udp_port":8000,` +
      '"client_ip":"10.8.0.2","client_ip6":"fd00:8:0::2","features":["x1"],"mtu":1400}',
  );
  ok(!text(encodeResponse({ ...GRANT, mtu: null })).includes("mtu"));
  const elsewhere = text(
    encodeResponse({ ...GRANT, udpHosts: ["vpn.example.com", "2001:db8::7"] }),
  );
  ok(elsewhere.includes('"udp_port":8000,"udp_hosts":["vpn.example.com","2001:db8::7"],'));
});

Deno.test("a refusal on the wire", () => {
  const refusal = { kind: "refusal", code: "full", message: "Free an address" } as const;
  equal(text(encodeResponse(refusal)), '{"error":{"code":"full","message":"Free an address"}}');
  deepEqual(decodeResponse(encodeResponse(refusal)), refusal);
});

Deno.test("a question for the status, and its answer, on the wire", () => {
  const question = { clientName: "", features: [], clientVersion: "0.1.0", ask: "status" } as const;
  const bytes = encodeRequest(question);
  equal(text(bytes), '{"client_name":"","features":[],"client_version":"0.1.0","ask":"status"}');
  deepEqual(decodeRequest(bytes), question);
  const status = { kind: "status", load: 0.25, isDraining: true } as const;
  equal(text(encodeResponse(status)), '{"status":{"load":0.25,"draining":true}}');
  deepEqual(decodeResponse(encodeResponse(status)), status);
  deepEqual(decodeResponse(json({ status: {} })), {
    kind: "status",
    load: null,
    isDraining: false,
  });
});

Deno.test("a grant may say how busy the server is, and what is behind the client", () => {
  const grant = { ...GRANT, load: 0.5, routes: ["192.168.7.0/24", "2001:db8:7::/48"] };
  deepEqual(decodeResponse(encodeResponse(grant)), grant);
});

Deno.test("a v1 request has a name only, and unknown fields are ignored", () => {
  const expected = { clientName: "laptop", features: [], clientVersion: "" };
  deepEqual(decodeRequest(json({ client_name: "laptop" })), expected);
  deepEqual(decodeRequest(json({ client_name: "laptop", speed: { a: [1] } })), expected);
  deepEqual(decodeRequest(json({ client_name: "laptop", features: null })), expected);
  deepEqual(decodeRequest(json({})), { ...expected, clientName: "" });
});

Deno.test("a v1 grant has no features and no mtu, and unknown fields are ignored", () => {
  const expected: ControlGrant = { ...GRANT, sessionId: 7, features: [], mtu: null };
  deepEqual(decodeResponse(json(V1_GRANT)), expected);
  deepEqual(decodeResponse(json({ ...V1_GRANT, error: null, features: null })), expected);
  deepEqual(decodeResponse(json({ ...V1_GRANT, region: "x", __proto__: { mtu: 1 } })), expected);
});

Deno.test("an error stands instead of all else", () => {
  const response = decodeResponse(json({ ...V1_GRANT, error: { code: "full", message: "Wait" } }));
  deepEqual(response, { kind: "refusal", code: "full", message: "Wait" });
});

Deno.test("text of the peer's that will be shown cannot steer a terminal", () => {
  const error = { code: "a\u0000b", message: "red \u001b[31m\r\nand\u009b2J" };
  const refusal = decodeResponse(json({ error }));
  deepEqual(refusal, { kind: "refusal", code: "a b", message: "red  [31m and 2J" });
  equal(decodeRequest(json({ client_version: "1\n2" })).clientVersion, "1 2");
});

const LONG = (length: number) => "a".repeat(length);

const REQUESTS_REFUSED: readonly (readonly [field: string, values: readonly unknown[]])[] = [
  ["client_name", [1, {}, [], true, LONG(CLIENT_NAME_LENGTH_MAX + 1), "a\nb", "\u0000"]],
  ["features", ["x1", {}, 1, [1], [null], [""], ["a b"], ["\n"], [LONG(FEATURE_LENGTH_MAX + 1)]]],
  ["features", [new Array(FEATURES_MAX + 1).fill("x")]],
  ["client_version", [1, {}, LONG(CLIENT_VERSION_LENGTH_MAX + 1)]],
  ["ask", ["", "sessions", 1, true]],
];

const GRANTS_REFUSED: readonly (readonly [field: string, values: readonly unknown[]])[] = [
  ["session_id", [undefined, null, 0, -1, 1.5, 2 ** 32, "7", true]],
  ["session_key", [undefined, null, 1, "", "AAAA", KEY_BASE64.slice(1), KEY_BASE64 + "AA=="]],
  ["session_key", [
    KEY_BASE64.slice(0, -1),
    KEY_BASE64.replace("=", "A"),
    "_" + KEY_BASE64.slice(1),
  ]],
  ["session_key", ["\n" + KEY_BASE64.slice(1), KEY_BASE64.replace("8=", "9="), KEY_BASE64 + "\n"]],
  ["udp_port", [undefined, 0, -1, 65_536, 80.5, "8000", null]],
  ["udp_hosts", ["h", [1], [""], ["a b"], ["[::1]"], ["a/b"], [LONG(254)], LONG(9).split("")]],
  ["client_ip", [undefined, null, "", "10.8.0.1", "10.8.0.0", "10.8.0.255", "fd00::2", "x", 168]],
  ["client_ip6", [undefined, null, "", "fd00:8::1", "fd00:8::", "10.8.0.2", "ff02::2", "x", 2]],
  ["mtu", [TUN_MTU_MIN - 1, TUN_MTU_MAX + 1, 1400.5, "1400", NaN + ""]],
  ["features", ["x1", [1]]],
  ["load", [-0.1, 1.1, "1", true]],
  ["routes", [
    "10.0.0.0/8",
    [1],
    ["10.0.0.0"],
    ["eth0/8"],
    new Array(CLIENT_ROUTES_MAX + 1).fill("10.0.0.0/8"),
  ]],
  ["status", [1, "no", true, { load: 2 }, { load: 0, draining: "no" }]],
  ["error", [1, "no", true, [], {}, { code: "a" }, { message: "a" }, { code: "", message: "" }]],
  ["error", [{ code: LONG(ERROR_CODE_LENGTH_MAX + 1), message: "" }, { code: 1, message: "" }]],
  ["error", [{ code: "a", message: LONG(ERROR_MESSAGE_LENGTH_MAX + 1) }]],
];

/** That decoding is refused for `field`, and says so without the value. */
function refuses(decode: () => unknown, field: string, value: unknown): void {
  throws(decode, (error) => {
    ok(error instanceof ControlMessageError, String(error));
    equal(error.reason, "invalid");
    ok(error.message.includes(field), `${field} = ${JSON.stringify(value)}: ${error.message}`);
    ok(!error.message.endsWith("."));
    return true;
  }, `${field} = ${JSON.stringify(value)}`);
}

Deno.test("each field of a request out of its range is refused by name", () => {
  for (const [field, values] of REQUESTS_REFUSED) {
    for (const value of values) {
      refuses(() => decodeRequest(json({ client_name: "", [field]: value })), field, value);
    }
  }
});

Deno.test("each field of a response out of its range is refused by name", () => {
  for (const [field, values] of GRANTS_REFUSED) {
    for (const value of values) {
      refuses(() => decodeResponse(json({ ...V1_GRANT, [field]: value })), field, value);
    }
  }
});

Deno.test("each field at the end of its range is taken", () => {
  const features = new Array(FEATURES_MAX).fill(LONG(FEATURE_LENGTH_MAX));
  const clientName = LONG(CLIENT_NAME_LENGTH_MAX);
  const request = { clientName, features, clientVersion: LONG(CLIENT_VERSION_LENGTH_MAX) };
  deepEqual(decodeRequest(encodeRequest(request)), request);
  const least = { ...GRANT, sessionId: 1, udpPort: 1, mtu: TUN_MTU_MIN };
  deepEqual(decodeResponse(encodeResponse(least)), least);
  const udpHosts = new Array(UDP_HOSTS_MAX).fill(LONG(253));
  const limits = { udpPort: 65_535, udpHosts, mtu: TUN_MTU_MAX };
  const most = { ...GRANT, sessionId: 2 ** 32 - 1, ...limits, features };
  deepEqual(decodeResponse(encodeResponse(most)), most);
});

Deno.test("no key is ever in an error", () => {
  const shortened = KEY_BASE64.slice(0, 40);
  for (const change of [{ session_key: shortened }, { udp_port: 0 }, { session_id: KEY_BASE64 }]) {
    throws(
      () => decodeResponse(json({ ...V1_GRANT, ...change })),
      (error: Error) => !`${error.stack} ${JSON.stringify(error)}`.includes("AAECAw"),
    );
  }
});

Deno.test("what is not one whole object says why and what to do", () => {
  const cases = [
    ["", "incomplete"],
    ['{"client_name":"a"', "incomplete"],
    ["GET / HTTP/1.1\r\n\r\n", "malformed"],
    ["{]", "malformed"],
    ["[]", "malformed"],
    ["{" + " ".repeat(CONTROL_REQUEST_BYTES_MAX), "too large"],
  ] as const;
  for (const [message, reason] of cases) {
    const bytes = new TextEncoder().encode(message);
    throws(() => decodeRequest(bytes), {
      name: "ControlMessageError",
      reason,
      message: /^Cannot use the control request: .*; send one complete JSON object/,
    });
    throws(() => decodeResponse(bytes), {
      name: "ControlMessageError",
      reason,
      message: /^Cannot use the control response: .*; check that the address and port/,
    });
  }
  ok(unusable("request", "too large").message.includes("16384"));
});

Deno.test("the readers have the limits of their part", () => {
  for (
    const [reader, bytesMax] of [
      [createRequestReader(), CONTROL_REQUEST_BYTES_MAX],
      [createResponseReader(), CONTROL_RESPONSE_BYTES_MAX],
    ] as const
  ) {
    reader.read(new TextEncoder().encode("{"));
    equal(reader.read(new Uint8Array(bytesMax - 2).fill(0x20)).state, "incomplete");
    equal(reader.read(Uint8Array.of(0x20)).state, "too large");
  }
});

Deno.test("what a peer would refuse is not sent", () => {
  const request = { clientName: "", features: [], clientVersion: "" };
  throws(() => encodeRequest({ ...request, clientName: LONG(65) }), ControlMessageError);
  throws(() => encodeRequest({ ...request, features: ["a b"] }), ControlMessageError);
  throws(() => encodeResponse({ ...GRANT, sessionKey: KEY.subarray(1) }), ControlMessageError);
  throws(() => encodeResponse({ ...GRANT, sessionId: 0 }), ControlMessageError);
  throws(() => encodeResponse({ ...GRANT, clientIp: "10.8.0.1" }), ControlMessageError);
  throws(() => encodeResponse({ kind: "refusal", code: "", message: "" }), ControlMessageError);
});

const FEATURE = fc.stringMatching(/^[!-~]{1,32}$/);
const FEATURE_LISTS = fc.array(FEATURE, { maxLength: FEATURES_MAX });
const shown = (lengthMax: number) =>
  fc.string({ unit: "binary", maxLength: lengthMax })
    .map((text) => text.replace(/\p{Cc}/gu, "-").slice(0, lengthMax));

Deno.test("property: a request survives the wire and fits its limit", () => {
  const requests = fc.record({
    clientName: shown(CLIENT_NAME_LENGTH_MAX),
    features: FEATURE_LISTS,
    clientVersion: shown(CLIENT_VERSION_LENGTH_MAX),
  }, { noNullPrototype: true });
  fc.assert(fc.property(requests, (request) => {
    const bytes = encodeRequest(request);
    ok(bytes.length <= CONTROL_REQUEST_BYTES_MAX);
    deepEqual(decodeRequest(bytes), request);
  }));
});

Deno.test("property: a response survives the wire and fits its limit", () => {
  const octet = fc.integer({ min: 2, max: 126 });
  const grants = fc.record({
    kind: fc.constant("grant" as const),
    sessionId: fc.integer({ min: 1, max: 0xffffffff }),
    sessionKey: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    udpPort: fc.integer({ min: 1, max: 65_535 }),
    udpHosts: fc.array(fc.stringMatching(/^[a-z0-9.:-]{1,253}$/), { maxLength: 8 }),
    // Host 2 to 6 of its network, however long that one's prefix.
    clientIp: fc.tuple(octet, octet, octet, fc.nat(4)).map((octets) =>
      [...octets.slice(0, 3), octets[2]! % 32 * 8 % 256 + 2 + octets[3]!].join(".")
    ),
    clientIp6: fc.integer({ min: 2, max: 0xffff }).map((host) => `fd00:8:0::${host.toString(16)}`),
    prefix4: fc.integer({ min: 16, max: 29 }),
    prefix6: fc.integer({ min: 48, max: 120 }),
    features: FEATURE_LISTS,
    mtu: fc.option(fc.integer({ min: TUN_MTU_MIN, max: TUN_MTU_MAX })),
  }, { noNullPrototype: true });
  const refusals = fc.record({
    kind: fc.constant("refusal" as const),
    code: fc.stringMatching(/^[a-z-]{1,64}$/),
    message: shown(ERROR_MESSAGE_LENGTH_MAX),
  }, { noNullPrototype: true });
  fc.assert(fc.property(fc.oneof(grants, refusals), (response) => {
    const bytes = encodeResponse(response);
    ok(bytes.length <= CONTROL_RESPONSE_BYTES_MAX);
    deepEqual(decodeResponse(bytes), response);
  }));
});
