import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import {
  decodeTunnelMessage,
  encodeTunnelMessage,
  TUNNEL_MESSAGE_BYTES_MAX,
  type TunnelMessage,
} from "./tunnel_message.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const ALL_PATHS = Array.from({ length: 256 }, (_, id) => id);

Deno.test("tunnel messages on the wire", () => {
  equal(text(encodeTunnelMessage({ type: "bye" })), '{"type":"bye"}');
  equal(text(encodeTunnelMessage({ type: "leave" })), '{"type":"leave"}');
  equal(
    text(encodeTunnelMessage({ type: "paths", usable: [0, 2] })),
    '{"type":"paths","usable":[0,2]}',
  );
});

Deno.test("the longest list of paths fits", () => {
  const encoded = encodeTunnelMessage({ type: "paths", usable: ALL_PATHS });
  ok(encoded.length <= TUNNEL_MESSAGE_BYTES_MAX, `${encoded.length} bytes`);
  deepEqual(decodeTunnelMessage(encoded), { type: "paths", usable: ALL_PATHS });
});

Deno.test("the longest rules of all paths a client has fit", () => {
  const usable = ALL_PATHS.slice(0, 16).map((id) => 240 + id);
  const message: TunnelMessage = {
    ...{ type: "paths", usable, scheduler: "aggregate", mtu: 65_535 },
    rules: usable.map((id) => ({ id, rate: 12_500_000_000, use: "cap reached" })),
  };
  const encoded = encodeTunnelMessage(message);
  ok(encoded.length <= TUNNEL_MESSAGE_BYTES_MAX, `${encoded.length} bytes`);
  deepEqual(decodeTunnelMessage(encoded), message);
});

Deno.test("learned rates of all paths a client has fit, and those beyond limits are refused", () => {
  const rates = ALL_PATHS.slice(0, 16).map((id) => ({ id: 240 + id, rate: 12_500_000_000 }));
  const encoded = encodeTunnelMessage({ type: "rates", rates });
  ok(encoded.length <= TUNNEL_MESSAGE_BYTES_MAX, `${encoded.length} bytes`);
  deepEqual(decodeTunnelMessage(encoded), { type: "rates", rates });
  for (const rate of ["0", "12499", "1e12", "-1", "20000.5", '"20000"', "null"]) {
    const text = `{"type":"rates","rates":[{"id":0,"rate":${rate}}]}`;
    equal(decodeTunnelMessage(bytes(text)), null, rate);
  }
  const twice = '{"type":"rates","rates":[{"id":0,"rate":20000},{"id":0,"rate":20000}]}';
  equal(decodeTunnelMessage(bytes(twice)), null);
  const many = ALL_PATHS.slice(0, 17).map((id) => ({ id, rate: 20_000 }));
  equal(decodeTunnelMessage(bytes(JSON.stringify({ type: "rates", rates: many }))), null);
});

Deno.test("unknown fields are ignored", () => {
  deepEqual(decodeTunnelMessage(bytes('{"type":"bye","reason":"x"}')), { type: "bye" });
  deepEqual(decodeTunnelMessage(bytes(' {"usable":[],"type":"paths","a":{}}')), {
    type: "paths",
    usable: [],
  });
});

Deno.test("anything unknown or invalid is null", () => {
  const refused = ["", "{", "null", "1", '"bye"', "[]", "{}", '{"type":1}', '{"type":"hello"}'];
  refused.push('{"type":"bye"}}', '{"type":"BYE"}', '\ufeff{"type":"bye"}', '{"type":["bye"]}');
  refused.push(
    '{"type":"paths"}',
    '{"type":"paths","usable":null}',
    '{"type":"paths","usable":[0],"mtu":575}',
    '{"type":"paths","usable":[0],"mtu":68}',
    '{"type":"paths","usable":[0],"mtu":65536}',
    '{"type":"paths","usable":{}}',
  );
  for (const id of ["-1", "256", "0.5", '"0"', "null", "1e999", "[0]", "0,0"]) {
    refused.push(`{"type":"paths","usable":[${id}]}`);
  }
  for (
    const rules of [
      ...["null", "{}", "[0]", "[{}]", '[{"id":256}]', '[{"id":0},{"id":0}]'],
      ...["0", "12499", "12500000001", "1000000000000", "-1", "1e5.5", '"20000"', "20000.5", "null"]
        .map((rate) => `[{"id":0,"rate":${rate}}]`),
      ...['"never"', '"cap"', "1", "null"].map((use) => `[{"id":0,"use":${use}}]`),
      JSON.stringify(ALL_PATHS.slice(0, 17).map((id) => ({ id, use: "backup" }))),
    ]
  ) refused.push(`{"type":"paths","usable":[0],"rules":${rules}}`);
  for (const message of refused) equal(decodeTunnelMessage(bytes(message)), null, message);
  const notUtf8 = bytes('{"type":"bye","a":"?"}');
  notUtf8[notUtf8.indexOf(0x3f)] = 0xff;
  equal(decodeTunnelMessage(notUtf8), null);
});

Deno.test("a message of 1024 bytes is read, one of 1025 is not; spaces behind it do not count", () => {
  const filled = '{"type":"bye"' + " ".repeat(TUNNEL_MESSAGE_BYTES_MAX - 14) + "}";
  deepEqual(decodeTunnelMessage(bytes(filled)), { type: "bye" });
  equal(decodeTunnelMessage(bytes(filled.replace(" ", "  "))), null);
  deepEqual(decodeTunnelMessage(bytes(filled + " ".repeat(9000))), { type: "bye" });
});

Deno.test("an MTU probe is as long as it says, or proves nothing", () => {
  for (const type of ["mtu probe", "mtu answer"] as const) {
    const probe = encodeTunnelMessage({ type, size: 1400 });
    equal(probe.length, 1400);
    deepEqual(decodeTunnelMessage(probe), { type, size: 1400 });
    equal(decodeTunnelMessage(probe.subarray(0, 1399)), null);
  }
});

Deno.test("path ids a peer would refuse are not sent", () => {
  for (const usable of [[-1], [256], [0.5], [NaN], [3, 3], [...ALL_PATHS, 0]]) {
    throws(() => encodeTunnelMessage({ type: "paths", usable }), RangeError);
  }
});

Deno.test("property: a list of paths survives the wire", () => {
  const lists = fc.uniqueArray(fc.nat({ max: 255 }), { maxLength: 256 });
  fc.assert(fc.property(lists, (usable) => {
    const message = { type: "paths", usable } as const;
    deepEqual(decodeTunnelMessage(encodeTunnelMessage(message)), message);
  }));
});

Deno.test("a challenge may say where it goes to, and need not", () => {
  const token = "0f".repeat(16);
  const read = (fields: object) =>
    decodeTunnelMessage(
      new TextEncoder().encode(JSON.stringify({ type: "challenge", token, ...fields })),
    );
  for (const seen of ["203.0.113.7:40000", "[2001:db8::7]:1", "[fe80::1]:65535"]) {
    deepEqual(read({ seen }), { type: "challenge", token, seen });
    deepEqual(
      decodeTunnelMessage(encodeTunnelMessage({ type: "challenge", token, seen })),
      read({ seen }),
    );
  }
  deepEqual(read({}), { type: "challenge", token });
  deepEqual(read({ later: 1 }), { type: "challenge", token });
  for (const seen of ["203.0.113.7", "h:1", "\u001b[2J:1", 7]) equal(read({ seen }), null);
});
