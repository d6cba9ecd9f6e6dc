import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import {
  CounterNonce,
  decodeHeader,
  decodeNonce,
  encodeHeader,
  encodeNonce,
  HEADER_LENGTH,
  PAYLOAD_OFFSET,
  RECORD_OVERHEAD,
  RecordHeader,
} from "./header.ts";

/** A v1 packet of session 0x01020304, sequence 5, 4 bytes of payload: header, nonce, rest. */
const V1 = "0101010203040000000500200000000000000000" + "0000" + "a0a1a2a3a4a5a6a7a8a9aaab" +
  "de".repeat(20);
/**
 * An x1 heartbeat of session 0xfffffffe: ordered and partialChecksum, path 7, epoch 255, send time
 * 0x89abcdef, stream 0x1234; sent by the server as number 0x80000001.
 */
const X1 = "0102fffffffe0000000000240003" + "07ff" + "89abcdef" + "1234" +
  "01070000" + "0000000080000001" + "ad".repeat(24);

function viewOf(hex: string): DataView {
  return new DataView(Uint8Array.fromHex(hex).buffer);
}

function decode(view: DataView, offset = 0, length = view.byteLength - offset) {
  const header = new RecordHeader();
  return { refusal: decodeHeader(view, offset, length, header), header };
}

Deno.test("decodeHeader() reads a v1 packet", () => {
  const { refusal, header } = decode(viewOf(V1));
  equal(refusal, null);
  deepEqual({ ...header }, {
    ...{ type: 1, session: 0x01020304, sequence: 5, payloadLength: 4, compression: 0 },
    ...{ flags: 0, pathId: 0, epoch: 0, sendTime: 0, stream: 0 },
  });
});

Deno.test("decodeHeader() and decodeNonce() read an x1 heartbeat", () => {
  const view = viewOf(X1);
  const { refusal, header } = decode(view);
  equal(refusal, null);
  deepEqual({ ...header }, {
    ...{ type: 2, session: -2, sequence: 0, payloadLength: 8, compression: 0 },
    ...{ flags: 3, pathId: 7, epoch: 255, sendTime: 0x89abcdef, stream: 0x1234 },
  });
  const nonce = new CounterNonce();
  decodeNonce(view, 0, nonce);
  deepEqual({ ...nonce }, {
    ...{ direction: 1, pathId: 7, sender: 0, counterHigh: 0, counter: 0x80000001 },
  });
});

Deno.test("encodeHeader() and encodeNonce() write the same bytes", () => {
  for (const hex of [V1, X1]) {
    const view = viewOf(hex);
    const written = new Uint8Array(view.byteLength).fill(0x55);
    const into = new DataView(written.buffer);
    encodeHeader(into, 0, decode(view).header);
    equal(written.toHex().slice(0, 2 * HEADER_LENGTH), hex.slice(0, 2 * HEADER_LENGTH));
    equal(written[HEADER_LENGTH], 0x55, "no byte behind the header is touched");
  }
  const nonce = new Uint8Array(PAYLOAD_OFFSET);
  encodeNonce(new DataView(nonce.buffer), 0, 1, 7, 0x80000001);
  equal(nonce.toHex().slice(2 * HEADER_LENGTH), X1.slice(2 * HEADER_LENGTH, 2 * PAYLOAD_OFFSET));
});

Deno.test("each refusal has its name", () => {
  const changed = (at: number, value: number) => {
    const view = viewOf(X1);
    view.setUint8(at, value);
    return decode(view).refusal;
  };
  equal(decode(viewOf(""), 0).refusal, "too short");
  equal(decode(viewOf(X1), 0, RECORD_OVERHEAD - 1).refusal, "too short");
  for (const version of [0, 2, 255]) equal(changed(0, version), "unknown version");
  for (const type of [0, 8, 255]) equal(changed(1, type), "unknown type");
  equal(changed(11, 0x23), "length mismatch");
  equal(changed(10, 0x01), "length mismatch");
  equal(decode(viewOf(X1 + "00")).refusal, "length mismatch");
  equal(decode(viewOf(X1), 0, RECORD_OVERHEAD).refusal, "length mismatch");
});

Deno.test("decodeHeader() reads back what encodeHeader() wrote, anywhere in the memory", () => {
  const byte = fc.nat({ max: 0xff }), word = fc.nat({ max: 0xffffffff });
  const fields = fc.record({
    type: fc.integer({ min: 1, max: 4 }),
    session: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
    sequence: word,
    payloadLength: fc.nat({ max: 1500 }),
    compression: byte,
    flags: byte,
    pathId: byte,
    epoch: byte,
    sendTime: word,
    stream: fc.nat({ max: 0xffff }),
  });
  fc.assert(
    fc.property(fields, fc.nat({ max: 70 }), byte, word, (fields, offset, path, counter) => {
      const header = Object.assign(new RecordHeader(), fields);
      const length = RECORD_OVERHEAD + fields.payloadLength;
      const view = new DataView(new ArrayBuffer(offset + length));
      encodeHeader(view, offset, header);
      encodeNonce(view, offset, path & 1, path, counter);
      const { refusal, header: read } = decode(view, offset, length);
      equal(refusal, null);
      deepEqual({ ...read }, { ...header });
      const nonce = new CounterNonce();
      decodeNonce(view, offset, nonce);
      deepEqual({ ...nonce }, {
        ...{ direction: path & 1, pathId: path, sender: 0, counterHigh: 0, counter },
      });
    }),
  );
});

Deno.test("decodeHeader() throws for no bytes at all, and reads none outside of them", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
    // A view of exactly these bytes throws for whatever is outside.
    decode(new DataView(bytes.slice().buffer));
  }));
});
