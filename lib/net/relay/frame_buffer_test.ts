import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import {
  FRAME_INCOMPLETE,
  FRAME_REFUSED,
  FRAMED_RECORD_MAX,
  FRAMED_RECORD_MIN,
  TLS_PLAINTEXT_MAX,
} from "../../protocol/wire/stream_frame.ts";
import { type Carry, FrameBuffer } from "./frame_buffer.ts";

function framed(records: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(records.reduce((sum, { length }) => sum + 2 + length, 0));
  let at = 0;
  for (const record of records) {
    new DataView(bytes.buffer).setUint16(at, record.length);
    bytes.set(record, at + 2);
    at += 2 + record.length;
  }
  return bytes;
}

/** Gives a stream in pieces, several to a buffer while there is room. "broken": it was refused. */
function read(buffer: FrameBuffer, pieces: readonly Uint8Array[]): Uint8Array[] | "broken" {
  const records: Uint8Array[] = [];
  let carry: Carry = null;
  const waiting = [...pieces];
  while (waiting.length > 0) {
    buffer.begin(carry);
    while (buffer.hasRoom && waiting.length > 0) {
      const piece = waiting.shift()!;
      buffer.bytes.set(piece, buffer.end);
      buffer.filled(piece.length);
    }
    let length = buffer.next();
    for (; length > 0; length = buffer.next()) {
      records.push(buffer.bytes.slice(buffer.recordAt, buffer.recordAt + length));
    }
    if (length === FRAME_REFUSED) return "broken";
    equal(length, FRAME_INCOMPLETE);
    carry = buffer.rest();
  }
  equal(carry, null);
  return records;
}

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length]!;
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

Deno.test("records come out of a stream, in whatever pieces it comes", () => {
  const buffer = new FrameBuffer();
  const record = fc.record({
    length: fc.oneof(
      fc.integer({ min: FRAMED_RECORD_MIN, max: 2000 }),
      fc.constantFrom(FRAMED_RECORD_MIN, FRAMED_RECORD_MAX - 1, FRAMED_RECORD_MAX),
    ),
    fill: fc.integer({ min: 0, max: 255 }),
  }).map(({ length, fill }) => new Uint8Array(length).fill(fill));
  const sizes = fc.array(
    fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: TLS_PLAINTEXT_MAX })),
    { minLength: 1, maxLength: 8 },
  );
  fc.assert(
    fc.property(fc.array(record, { maxLength: 12 }), sizes, (records, pieces) => {
      deepEqual(read(buffer, cut(framed(records), pieces)), records);
    }),
    { numRuns: 60 },
  );
});

Deno.test("a length that no record has ends the stream, at once", () => {
  const buffer = new FrameBuffer();
  const good = new Uint8Array(FRAMED_RECORD_MIN);
  for (const length of [0, FRAMED_RECORD_MIN - 1, FRAMED_RECORD_MAX + 1, 0xffff]) {
    const header = new Uint8Array(2);
    new DataView(header.buffer).setUint16(0, length);
    equal(read(buffer, [framed([good]), header]), "broken");
  }
});

Deno.test("hostile bytes are records within bounds, or end the stream", () => {
  const buffer = new FrameBuffer();
  fc.assert(fc.property(fc.uint8Array({ maxLength: 4000 }), (bytes) => {
    buffer.begin(null);
    buffer.bytes.set(bytes, buffer.end);
    buffer.filled(bytes.length);
    let total = 0;
    let length = buffer.next();
    for (; length > 0; length = buffer.next()) total += 2 + length;
    const rest = buffer.rest()?.length ?? 0;
    equal(total + rest, bytes.length);
  }));
});
