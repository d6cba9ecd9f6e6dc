/** How records of the old wire are written, and which of them are this side's own. */
import { deepEqual, equal, notDeepEqual } from "node:assert/strict";
import type { Cipher } from "../crypto/key_epochs.ts";
import { OutgoingRecord } from "../crypto/outgoing_record.ts";
import {
  decodeHeader,
  FLAG_ORDERED,
  HEADER_LENGTH,
  NONCE_LENGTH,
  RECORD_OVERHEAD,
  RecordHeader,
  TYPE_HEARTBEAT,
  TYPE_PACKET,
} from "../wire/header.ts";
import { v1Protection } from "./packet_protection.ts";
import type { SequenceCounter } from "./sequence_counters.ts";

const PAYLOAD_BYTES = 20;

function setUp(numbers?: SequenceCounter) {
  let drawn = 0;
  const cipher: Cipher = { free() {} };
  const { writer, verifier } = v1Protection({
    ...{ role: "client", id: 0x89abcdef, key: new Uint8Array(32), now: 0 },
    suite: { sealer: () => cipher, opener: () => cipher },
    random: (into) => into.forEach((_, at) => into[at] = drawn++ * 31 >> 3),
  }, numbers);
  const view = new DataView(new ArrayBuffer(RECORD_OVERHEAD + PAYLOAD_BYTES));
  const header = new RecordHeader();
  const write = (fields: Partial<OutgoingRecord>) => {
    writer.write(view, 0, 5, PAYLOAD_BYTES, Object.assign(new OutgoingRecord(), fields));
    equal(decodeHeader(view, 0, view.byteLength, header), null);
    return new Uint8Array(view.buffer).slice(HEADER_LENGTH, HEADER_LENGTH + NONCE_LENGTH);
  };
  return { writer, verifier, view, header, write };
}

Deno.test("v1: all packets have one sequence, whatever their stream, and none has number 0", () => {
  const { writer } = setUp({ last: 0xffff_fffd });
  const numbers = [1, 9, 9, 1].map((stream) => writer.nextSequence(stream));
  deepEqual(numbers, [0xffff_fffe, 0xffff_ffff, 1, 2]);
});

Deno.test("v1: sessions that share a counter go on counting", () => {
  const numbers = { last: 41 };
  equal(setUp(numbers).writer.nextSequence(0), 42);
  equal(setUp(numbers).writer.nextSequence(0), 43);
  equal(setUp().writer.nextSequence(0), 1);
});

Deno.test("v1: nonces are drawn anew for each record, and nothing of x1 is in the header", () => {
  const { write, view } = setUp();
  notDeepEqual(write({}), write({}));
  const fields = { flags: 0xff, stream: 3, sequence: 8, sendTime: 5 };
  write(fields);
  const reserved = new Uint8Array(view.buffer).slice(0, HEADER_LENGTH);
  write({ sequence: 8 });
  deepEqual(reserved, new Uint8Array(view.buffer).slice(0, HEADER_LENGTH));
});

Deno.test("v1: a control record of this side's own that comes back is refused", () => {
  const { write, view, header, verifier } = setUp();
  write({ type: TYPE_HEARTBEAT });
  equal(verifier.openerFor(view, 0, header, 0), null);
  equal(verifier.refusal, "wrong direction");
  view.setUint8(HEADER_LENGTH, view.getUint8(HEADER_LENGTH) ^ 1);
  equal(verifier.openerFor(view, 0, header, 0) !== null, true, "the peer's has another nonce");
});

Deno.test("v1: what has a number has its order, and what has none comes at once", () => {
  const { write, view, header, verifier } = setUp();
  for (const [sequence, flags] of [[0, 0], [7, FLAG_ORDERED]] as const) {
    write({ type: TYPE_PACKET, sequence });
    Object.assign(header, { flags: 0xff, stream: 9 });
    verifier.openerFor(view, 0, header, 0);
    deepEqual([header.flags, header.stream], [flags, 0]);
  }
});
