import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { FRAMED_RECORD_MAX, TLS_PLAINTEXT_MAX } from "../../protocol/wire/stream_frame.ts";
import { BlockPool, QUEUE_BLOCKS_MAX, QUEUE_MS_MAX, SendQueue } from "./send_queue.ts";

const bytesAt = (address: bigint | number, length: number) =>
  new Uint8Array(
    Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(BigInt(address))!, length),
  );

/** Receives `count` records of `length` bytes, each filled with its number from `first` on. */
function receive(queue: SendQueue, length: number, count: number, first: number, now: number) {
  const address = queue.receiveAt(now);
  ok(address !== 0);
  const into = bytesAt(address, length * count);
  for (let at = 0; at < count; at++) {
    into.fill(first + at, at * length, (at + 1) * length);
  }
  queue.received(length * count, length);
}

/** Takes what waits; the numbers of the records, each checked to be whole. */
function takeAll(queue: SendQueue, now: number): number[] {
  const numbers: number[] = [];
  for (let length = queue.next(now); length > 0; length = queue.next(now)) {
    ok(length <= TLS_PLAINTEXT_MAX);
    const chunk = bytesAt(queue.address, length);
    const view = new DataView(chunk.buffer, chunk.byteOffset, length);
    for (let at = 0; at < length;) {
      const record = view.getUint16(at);
      const bytes = chunk.subarray(at + 2, at + 2 + record);
      ok(bytes.every((byte) => byte === bytes[0]), "a record is not whole");
      numbers.push(bytes[0]!);
      at += 2 + record;
    }
    queue.taken(length);
  }
  return numbers;
}

Deno.test("records come out framed, in order, and no memory is kept", () => {
  const pool = new BlockPool(4);
  using queue = new SendQueue(pool);
  receive(queue, 1400, 40, 0, 0);
  receive(queue, 60, 3, 40, 1);
  equal(queue.bytes, 40 * 1402 + 3 * 62);
  deepEqual(takeAll(queue, 2), Array.from({ length: 43 }, (_, number) => number));
  equal(queue.blocks, 0);
  equal(queue.dropped, 0);
});

Deno.test("what waits for longer than the limit is dropped, and what came later leaves", () => {
  using queue = new SendQueue(new BlockPool(4));
  receive(queue, 1000, 5, 0, 0);
  receive(queue, 1000, 5, 5, 200);
  deepEqual(takeAll(queue, QUEUE_MS_MAX + 1), [5, 6, 7, 8, 9]);
  equal(queue.dropped, 5);
});

Deno.test("without room the first make room, and the newest always get in", () => {
  using queue = new SendQueue(new BlockPool(QUEUE_BLOCKS_MAX + 2));
  for (let turn = 0; turn < QUEUE_BLOCKS_MAX + 3; turn++) receive(queue, 10_900, 6, turn, 0);
  ok(queue.blocks <= QUEUE_BLOCKS_MAX);
  const left = takeAll(queue, 0);
  equal(left.length + queue.dropped, 6 * (QUEUE_BLOCKS_MAX + 3));
  equal(left.at(-1), QUEUE_BLOCKS_MAX + 2 + 5);
  ok(queue.dropped > 0);
});

Deno.test("what a stream has begun with stays, whatever is dropped", () => {
  using queue = new SendQueue(new BlockPool(4));
  receive(queue, 8000, 6, 0, 0);
  const length = queue.next(0);
  equal(length, 2 * 8002);
  queue.begin(length);
  const first = [...bytesAt(queue.address, 4)];
  equal(queue.next(10 * QUEUE_MS_MAX), length);
  queue.dropFirst();
  equal(queue.dropped, 4);
  deepEqual([...bytesAt(queue.address, 4)], first);
  queue.taken(length);
  equal(queue.next(0), 0);
  equal(queue.blocks, 0);
});

Deno.test("one that stalls gives way to the others of its thread", () => {
  const pool = new BlockPool(3);
  using stalled = new SendQueue(pool);
  using other = new SendQueue(pool);
  for (let turn = 0; turn < 3; turn++) receive(stalled, 10_900, 6, 0, 0);
  receive(other, 100, 2, 7, 0);
  deepEqual(takeAll(other, 0), [7, 8]);
  ok(stalled.dropped > 0);
});

Deno.test("without any memory nothing is received, and nothing breaks", () => {
  const pool = new BlockPool(1);
  using stalled = new SendQueue(pool);
  receive(stalled, 1000, 1, 0, 0);
  stalled.begin(stalled.next(0));
  using other = new SendQueue(pool);
  equal(other.receiveAt(0), 0);
  equal(other.next(0), 0);
});

Deno.test("what is no record is left out", () => {
  using queue = new SendQueue(new BlockPool(2));
  receive(queue, 49, 1, 1, 0);
  receive(queue, FRAMED_RECORD_MAX + 1, 1, 2, 0);
  receive(queue, FRAMED_RECORD_MAX, 1, 3, 0);
  deepEqual(takeAll(queue, 0), [3]);
  equal(queue.dropped, 2);
});

Deno.test("whatever comes and goes, each record leaves as a whole and in order, or is counted", () => {
  const step = fc.oneof(
    fc.record({
      length: fc.integer({ min: 50, max: 9000 }),
      count: fc.integer({ min: 1, max: 7 }),
    }),
    fc.record({ takes: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ pauseMs: fc.integer({ min: 0, max: 300 }) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    using queue = new SendQueue(new BlockPool(4));
    let now = 0;
    let next = 0;
    const out: number[] = [];
    for (const one of steps) {
      if ("pauseMs" in one) now += one.pauseMs;
      else if ("takes" in one) {
        for (let takes = 0; takes < one.takes; takes++) {
          const length = queue.next(now);
          if (length === 0) break;
          queue.begin(length);
          const view = new DataView(bytesAt(queue.address, length).slice().buffer);
          for (let at = 0; at < length; at += 2 + view.getUint16(at)) {
            out.push(view.getUint8(at + 2));
          }
          queue.taken(length);
        }
      } else {
        receive(queue, one.length, one.count, next, now);
        next += one.count;
      }
    }
    out.push(...takeAll(queue, now));
    equal(out.length + queue.dropped, next);
    // In order: each is later than the one before, by the number that wraps at 256.
    let total = 0;
    for (const [at, number] of out.entries()) {
      total += ((number - (at === 0 ? 0 : out[at - 1]!)) & 255) || (at === 0 ? 0 : 256);
    }
    ok(total < Math.max(1, next));
  }));
});
