import { deepEqual, equal, notEqual } from "node:assert/strict";
import fc from "fast-check";
import {
  answerMappingQuery,
  decodeMappingAnswer,
  encodeMappingQuery,
  MAPPING_MESSAGE_LENGTH,
  mappingKey,
  newMappingTicket,
} from "./mapping_message.ts";

const NOW_MS = 1_700_000_000_000;
const SECRET = new Uint8Array(32).fill(7);
const NONCE = new Uint8Array(16).fill(9);

function ticket(expiryMs = NOW_MS + 60_000) {
  const id = newMappingTicket(expiryMs, (into) => into.fill(3));
  return { ticket: id, key: mappingKey(SECRET, id) };
}

const PEER = { a0: 0, a1: 0, a2: 0xffff, a3: (203 << 24) | (113 << 8) | 7, port: 40_000 };
const PEER6 = { a0: 0x20010db8, a1: 0, a2: 0, a3: -7, port: 1 };

/** What the answer says; null for none. */
function read(datagram: Uint8Array, key: Uint8Array, nonce: Uint8Array) {
  const seen = { a0: 0, a1: 0, a2: 0, a3: 0, port: 0 };
  return decodeMappingAnswer(datagram, key, nonce, seen) ? seen : null;
}

Deno.test("a query is answered with the address it came from, in as many bytes", () => {
  const query = encodeMappingQuery(ticket(), NONCE);
  for (const peer of [PEER, PEER6]) {
    const answer = answerMappingQuery(query, peer, SECRET, NOW_MS)!;
    equal(answer.length, query.length);
    deepEqual(read(answer, ticket().key, NONCE), peer);
  }
});

Deno.test("a ticket that is over, or of another server, is not answered", () => {
  const query = encodeMappingQuery(ticket(NOW_MS - 2_000), NONCE);
  equal(answerMappingQuery(query, PEER, SECRET, NOW_MS), null);
  const mine = encodeMappingQuery(ticket(), NONCE);
  equal(answerMappingQuery(mine, PEER, new Uint8Array(32).fill(8), NOW_MS), null);
});

Deno.test("an answer to another query is none, nor is one under another key", () => {
  const query = encodeMappingQuery(ticket(), NONCE);
  const answer = answerMappingQuery(query, PEER, SECRET, NOW_MS)!;
  equal(read(answer, ticket().key, new Uint8Array(16)), null);
  equal(read(answer, new Uint8Array(32), NONCE), null);
  equal(read(query, ticket().key, NONCE), null);
});

Deno.test("whatever strangers send is not answered, nor a query of which one bit was changed", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
    equal(answerMappingQuery(bytes, PEER, SECRET, NOW_MS), null);
    equal(read(bytes, ticket().key, NONCE), null);
  }));
  const query = encodeMappingQuery(ticket(), NONCE);
  notEqual(answerMappingQuery(query, PEER, SECRET, NOW_MS), null);
  for (let bit = 0; bit < MAPPING_MESSAGE_LENGTH * 8; bit++) {
    const changed = query.slice();
    changed[bit >> 3]! ^= 1 << (bit & 7);
    equal(answerMappingQuery(changed, PEER, SECRET, NOW_MS), null, `bit ${bit}`);
  }
});
