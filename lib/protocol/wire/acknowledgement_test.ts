import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import {
  Acknowledgement,
  ACKNOWLEDGEMENT_HEADER_LENGTH,
  decodeAcknowledgement,
  encodeAcknowledgement,
  GAPS_MAX,
} from "./acknowledgement.ts";

const U32 = fc.nat(0xffffffff);

/** Any that a receiver may send: gaps apart from each other, between `from` and `highest`. */
const ACKNOWLEDGEMENTS = fc.record({
  from: fc.integer({ min: 1, max: 1000 }),
  steps: fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 500 })), {
    maxLength: GAPS_MAX,
  }),
  fields: fc.tuple(U32, U32, U32, U32, U32, U32, U32),
  ids: fc.tuple(fc.nat(255), fc.nat(255)),
}).map(({ from, steps, fields, ids }) => {
  const message = new Acknowledgement();
  [message.pathId, message.epoch] = ids;
  message.from = message.highest = from;
  for (const [before, length] of steps) {
    const start = message.highest + before;
    message.gapStart[message.gaps] = start;
    message.gapLength[message.gaps++] = length;
    message.highest = start + length;
  }
  [message.received, message.bytes, message.clock, message.echo, message.hold] = fields;
  [, , , , , message.delay, message.jitter] = fields;
  return message;
});

Deno.test("property: an acknowledgement that was encoded is decoded", () => {
  fc.assert(fc.property(ACKNOWLEDGEMENTS, (message) => {
    const decoded = new Acknowledgement();
    equal(decodeAcknowledgement(encodeAcknowledgement(message), decoded), true);
    deepEqual(decoded, message);
  }));
});

Deno.test("an acknowledgement that no receiver would send is refused", () => {
  const good = new Acknowledgement();
  good.from = 5;
  good.highest = 20;
  good.gaps = 2;
  good.gapStart.set([7, 12]);
  good.gapLength.set([2, 3]);
  equal(decodeAcknowledgement(encodeAcknowledgement(good), new Acknowledgement()), true);
  const bad: Record<string, (message: Acknowledgement) => void> = {
    "nothing below the highest": (message) => message.from = 21,
    "an empty gap": (message) => message.gapLength[0] = 0,
    "a gap before the first counter": (message) => message.gapStart[0] = 4,
    "gaps out of order": (message) => message.gapStart[1] = 6,
    "gaps that touch": (message) => message.gapStart[1] = 9,
    "a gap that hides the highest": (message) => message.gapLength[1] = 9,
  };
  for (const [what, change] of Object.entries(bad)) {
    const message = structuredClone(good) as Acknowledgement;
    change(message);
    equal(
      decodeAcknowledgement(encodeAcknowledgement(message), new Acknowledgement()),
      false,
      what,
    );
  }
});

Deno.test("property: an acknowledgement of another length or of chance is refused, or is sane", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 120 }), (payload) => {
    const message = new Acknowledgement();
    if (!decodeAcknowledgement(payload, message)) return;
    equal(payload.length, ACKNOWLEDGEMENT_HEADER_LENGTH + 6 * message.gaps);
    for (let gap = 0; gap < message.gaps; gap++) {
      equal(message.gapStart[gap]! >= message.from, true);
      equal(message.gapStart[gap]! + message.gapLength[gap]! <= message.highest, true);
    }
  }));
});
