import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { decodePathFeedback, encodePathFeedback, PATH_FEEDBACK_LENGTH } from "./path_feedback.ts";

const U32 = fc.integer({ min: 0, max: 0xffffffff });
const FEEDBACK = fc.record({
  received: U32,
  expected: U32,
  bytes: U32,
  echo: U32,
  hold: U32,
  clock: U32,
  queueDelay: U32,
  jitter: U32,
});

Deno.test("the fields have their places", () => {
  const bytes = encodePathFeedback({
    ...{ received: 1, expected: 2, bytes: 3, echo: 0xfedcba98 },
    ...{ hold: 5, clock: 6, queueDelay: 7, jitter: 8 },
  });
  equal(
    bytes.toHex(),
    [1, 2, 3].map((n) => `0000000${n}`).join("") +
      "fedcba98" + [5, 6, 7, 8].map((n) => `0000000${n}`).join(""),
  );
});

Deno.test("property: what is encoded is decoded, wherever it lies", () => {
  fc.assert(fc.property(FEEDBACK, fc.nat({ max: 9 }), (feedback, offset) => {
    const memory = new Uint8Array(offset + PATH_FEEDBACK_LENGTH + 9).fill(0xee);
    memory.set(encodePathFeedback(feedback), offset);
    const payload = memory.subarray(offset, offset + PATH_FEEDBACK_LENGTH);
    deepEqual(decodePathFeedback(payload), feedback);
  }));
});

Deno.test("property: another length is refused", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (payload) => {
    equal(decodePathFeedback(payload) === null, payload.length !== PATH_FEEDBACK_LENGTH);
  }));
  for (const length of [0, PATH_FEEDBACK_LENGTH - 1, PATH_FEEDBACK_LENGTH + 1]) {
    equal(decodePathFeedback(new Uint8Array(length)), null, `${length}`);
  }
});
