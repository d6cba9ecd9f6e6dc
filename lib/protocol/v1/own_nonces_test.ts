import { equal } from "node:assert/strict";
import { HEADER_LENGTH, NONCE_LENGTH } from "../wire/header.ts";
import { OwnNonces } from "./own_nonces.ts";

/** A record with that number in the first bytes of its nonce. */
function recordOf(number: number): DataView {
  const view = new DataView(new ArrayBuffer(HEADER_LENGTH + NONCE_LENGTH));
  view.setUint32(HEADER_LENGTH, number);
  return view;
}

Deno.test("OwnNonces knows this side's records, the latest 1024 of them", () => {
  const nonces = new OwnNonces();
  for (let number = 0; number < 1025; number++) nonces.add(recordOf(number), 0);
  equal(nonces.has(recordOf(0), 0), false);
  equal(nonces.has(recordOf(1), 0), true);
  equal(nonces.has(recordOf(1024), 0), true);
  equal(nonces.has(recordOf(1025), 0), false);
});
