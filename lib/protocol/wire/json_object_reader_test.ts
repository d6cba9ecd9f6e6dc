import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { JsonObjectReader, type JsonObjectState } from "./json_object_reader.ts";

const LIMIT = 16384;

function readText(text: string, bytesMax = LIMIT): JsonObjectState {
  return new JsonObjectReader(bytesMax).read(new TextEncoder().encode(text));
}

/** The answer when the bytes come cut at each of `lengths`, then the rest one by one. */
function readInPieces(bytes: Uint8Array, lengths: number[], bytesMax = LIMIT): JsonObjectState {
  const reader = new JsonObjectReader(bytesMax);
  let state: JsonObjectState = { state: "incomplete" };
  let offset = 0;
  for (const length of lengths) {
    state = reader.read(bytes.subarray(offset, offset + length));
    offset += length;
  }
  for (; offset < bytes.length; offset++) state = reader.read(bytes.subarray(offset, offset + 1));
  return state;
}

Deno.test("an object is complete at its last brace", () => {
  const text = ' \r\n\t{"a":{"b":["}",{"c":"\\"}\\\\"}]},"d":"ü"}';
  const bytes = new TextEncoder().encode(text);
  const reader = new JsonObjectReader(LIMIT);
  for (const byte of bytes.subarray(0, -1)) {
    deepEqual(reader.read(Uint8Array.of(byte)), { state: "incomplete" });
  }
  deepEqual(reader.read(bytes.subarray(-1)), { state: "complete", object: JSON.parse(text) });
});

Deno.test("nothing yet is incomplete", () => {
  for (const text of ["", "  \n", "{", '{"a"', '{"a":"}', '{"a":"\\"}', '{"a":[}']) {
    deepEqual(readText(text), { state: "incomplete" }, text);
  }
});

Deno.test("what follows the object is not read", () => {
  for (const rest of ["\n", "}", "{}", "x", "x".repeat(LIMIT)]) {
    deepEqual(readText('{"a":1}' + rest), { state: "complete", object: { a: 1 } });
  }
});

Deno.test("what does not begin as an object is malformed at its first byte", () => {
  for (const text of ["[", '"', "1", "null", "x", "GET / HTTP/1.1", "\u0000", "\ufeff{}", " }"]) {
    deepEqual(readText(text), { state: "malformed" }, text);
  }
});

Deno.test("what ends as an object but is none is malformed", () => {
  for (const text of ["{]", "{a:1}", "{'a':1}", '{"a":1,}', '{"a":[}]', '{"a":"\n"}', "{1}"]) {
    deepEqual(readText(text), { state: "malformed" }, text);
  }
  const notUtf8 = Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d);
  deepEqual(new JsonObjectReader(LIMIT).read(notUtf8), { state: "malformed" });
});

Deno.test("an object may have exactly as many bytes as the limit", () => {
  const text = '{"a":"xyz"}';
  deepEqual(readText(text, text.length), { state: "complete", object: { a: "xyz" } });
  deepEqual(readText(text, text.length - 1), { state: "too large" });
  deepEqual(readText(" " + text, text.length), { state: "too large" });
});

Deno.test("an object that never ends is given up at the limit", () => {
  const reader = new JsonObjectReader(LIMIT);
  const chunk = new TextEncoder().encode(" ".repeat(1000));
  let state = reader.read(new TextEncoder().encode("{"));
  for (let index = 0; index < 16; index++) {
    equal(state.state, "incomplete");
    state = reader.read(chunk);
  }
  equal(reader.read(chunk).state, "too large");
  equal(reader.read(new TextEncoder().encode("}")).state, "too large", "and stays given up");
});

Deno.test("the deepest nesting the limit allows is read", () => {
  const depth = (LIMIT - 8) / 2;
  const text = `{"a":${"[".repeat(depth)}${"]".repeat(depth)}}`;
  equal(readText(text).state, "complete");
});

Deno.test("property: an object is read whole, however it is cut", () => {
  const objects = fc.dictionary(fc.string({ unit: "binary" }), fc.jsonValue({ maxDepth: 2 }), {
    maxKeys: 5,
  });
  const cuts = fc.array(fc.nat({ max: 20 }), { maxLength: 10 });
  fc.assert(fc.property(objects, cuts, (object, cuts) => {
    const text = JSON.stringify(object);
    const bytes = new TextEncoder().encode(text);
    if (bytes.length > LIMIT) return;
    const expected = { state: "complete", object: JSON.parse(text) } as const;
    deepEqual(readInPieces(bytes, []), expected);
    deepEqual(readInPieces(bytes, cuts), expected);
  }));
});

Deno.test("property: any bytes get the same answer, however they are cut", () => {
  const jsonBytes = fc.constantFrom(...'{}[]",:\\u0 tn1\n'.split("")).map((text) =>
    text.charCodeAt(0)
  );
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc.array(jsonBytes, { maxLength: 80 }).map((list) => Uint8Array.from([0x7b, ...list])),
  );
  const cuts = fc.array(fc.nat({ max: 20 }), { maxLength: 10 });
  fc.assert(fc.property(noise, cuts, (bytes, cuts) => {
    const whole = new JsonObjectReader(40).read(bytes);
    deepEqual(readInPieces(bytes, cuts, 40), whole);
  }));
});
