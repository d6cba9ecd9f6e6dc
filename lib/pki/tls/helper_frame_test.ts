import { deepEqual, throws } from "node:assert/strict";
import fc from "fast-check";
import { encodeFrame, FRAME, FrameReader } from "./helper_frame.ts";

Deno.test("property: frames come out as they went in, however the stream is cut", () => {
  const frame = fc.record({
    id: fc.integer({ min: 0, max: 0xffff_ffff }),
    kind: fc.integer({ min: 0, max: 8 }),
    payload: fc.uint8Array({ maxLength: 50 }),
  });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 6 }), fc.integer({ min: 1, max: 70 }), (all, cut) => {
      const stream = all.flatMap(({ id, kind, payload }) => [...encodeFrame(id, kind, payload)]);
      const reader = new FrameReader();
      const read = [];
      for (let at = 0; at < stream.length; at += cut) {
        read.push(...reader.read(Uint8Array.from(stream.slice(at, at + cut))));
      }
      deepEqual(
        read.map(({ payload, ...rest }) => ({ ...rest, payload: [...payload] })),
        all.map(({ payload, ...rest }) => ({ ...rest, payload: [...payload] })),
      );
    }),
  );
});

Deno.test("a frame that is too long is refused before it is waited for", () => {
  const header = encodeFrame(1, FRAME.wire);
  new DataView(header.buffer).setUint32(0, 0x7fff_ffff, true);
  throws(() => new FrameReader().read(header), RangeError);
});
