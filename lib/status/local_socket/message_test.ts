import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import {
  ANSWER_BYTES_MAX,
  formatAnswer,
  formatRequest,
  parseAnswer,
  parseRequest,
} from "./message.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const codeOf = (text: string) => {
  const parsed = parseRequest(bytes(text));
  return "ok" in parsed ? [parsed.id, parsed.code] : "taken";
};

Deno.test("requests and answers come back as they were written", () => {
  const request = { id: 7, command: "kick", arguments: { name: "laptop" } };
  deepEqual(parseRequest(bytes(formatRequest(request)).subarray(0, -1)), request);
  for (
    const answer of [
      { ok: true, id: 7, result: { a: [1, null] } },
      { ok: false, id: null, code: "busy", message: "try again" },
    ] as const
  ) deepEqual(parseAnswer(formatAnswer(answer).subarray(0, -1)), answer);
});

Deno.test("each request that cannot be understood is refused for what is wrong with it", () => {
  deepEqual(codeOf("no json"), [null, "bad request"]);
  deepEqual(codeOf("[]"), [null, "bad request"]);
  deepEqual(codeOf(""), [null, "bad request"]);
  deepEqual(codeOf('{"v":1,"command":"status"}'), [null, "bad request"]);
  deepEqual(codeOf('{"v":1,"id":-1,"command":"status"}'), [null, "bad request"]);
  deepEqual(codeOf('{"v":2,"id":1,"command":"status"}'), [1, "unknown version"]);
  deepEqual(codeOf('{"v":1,"id":1}'), [1, "bad request"]);
  deepEqual(codeOf('{"v":1,"id":1,"command":"kick","arguments":[]}'), [1, "bad request"]);
  equal(codeOf('{"v":1,"id":1,"command":"status","more":true}'), "taken");
});

Deno.test("an answer that is too large is replaced by a refusal", () => {
  const line = formatAnswer({ ok: true, id: 3, result: "x".repeat(ANSWER_BYTES_MAX) });
  ok(line.byteLength < 1000);
  const answer = parseAnswer(line.subarray(0, -1));
  deepEqual([answer?.id, answer?.ok === false && answer.code], [3, "too large"]);
});

Deno.test("hostile bytes never throw, on either side", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (line) => {
    parseRequest(line);
    parseAnswer(line);
  }));
  fc.assert(fc.property(fc.json(), (text) => {
    parseRequest(bytes(text));
    parseAnswer(bytes(text));
  }));
});
