import { equal, ok } from "node:assert/strict";
import {
  HEADER_LENGTH,
  PAYLOAD_OFFSET,
  RECORD_OVERHEAD,
  RecordHeader,
  TYPE_HANDSHAKE,
  TYPE_HEARTBEAT,
} from "../wire/header.ts";
import { encodeHeartbeat } from "../wire/heartbeat.ts";
import { V1Freshness } from "./freshness.ts";

const OFFSET = 5;

function see(freshness: V1Freshness, nonce: number, payload = new Uint8Array()): boolean {
  const header = new RecordHeader();
  header.type = payload.length === 0 ? TYPE_HANDSHAKE : TYPE_HEARTBEAT;
  header.payloadLength = payload.length;
  const bytes = new Uint8Array(OFFSET + RECORD_OVERHEAD + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(OFFSET + HEADER_LENGTH + 8, nonce);
  bytes.set(payload, OFFSET + PAYLOAD_OFFSET);
  return freshness.see(header, view, OFFSET);
}

Deno.test("a handshake is new once, of the last 1024", () => {
  const freshness = new V1Freshness();
  for (let nonce = 0; nonce < 1024; nonce++) {
    ok(see(freshness, nonce));
    equal(see(freshness, nonce), false);
  }
  equal(see(freshness, 0), false);
  ok(see(freshness, 1024), "a client that redials for hours is heard");
  equal(see(freshness, 1), false);
});

Deno.test("a heartbeat is new once, and only while it is young", () => {
  const freshness = new V1Freshness();
  ok(see(freshness, 1, encodeHeartbeat(10_000)));
  equal(see(freshness, 1, encodeHeartbeat(10_000)), false);
  ok(see(freshness, 2, encodeHeartbeat(8000)), "from a slower path");
  equal(see(freshness, 3, encodeHeartbeat(7999)), false);
  ok(see(freshness, 4, encodeHeartbeat(20_000)));
  equal(see(freshness, 5, encodeHeartbeat(10_001)), false);
});

Deno.test("a heartbeat remembered no more is too old by then", () => {
  const freshness = new V1Freshness();
  // 16 links, 5 heartbeats a second each: as many as a client sends.
  for (let nonce = 0; nonce < 4000; nonce++) {
    ok(see(freshness, nonce, encodeHeartbeat(nonce * 200 / 16)));
  }
  for (let nonce = 0; nonce < 4000; nonce++) {
    equal(see(freshness, nonce, encodeHeartbeat(nonce * 200 / 16)), false, `heartbeat ${nonce}`);
  }
});

Deno.test("a heartbeat of another length is not new", () => {
  for (const length of [1, 7, 9]) equal(see(new V1Freshness(), 1, new Uint8Array(length)), false);
});
