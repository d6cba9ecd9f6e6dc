import { deepEqual, equal, ok } from "node:assert/strict";
import { EMPTY } from "../../protocol/receive/reorder_buffer.ts";
import { Reordering, ReorderStream } from "./reordering.ts";

Deno.test("packets held in every slot come back as they were stored", () => {
  const stream = new ReorderStream(200, 50);
  const from = Uint8Array.from({ length: 5000 }, (_, index) => index * 7);
  for (let slot = 0; slot < 200; slot++) {
    ok(stream.store(slot, from, slot, 2048 - slot, slot & 3));
  }
  const into = new Uint8Array(3000);
  for (let slot = 0; slot < 200; slot++) {
    into.fill(0xee);
    equal(stream.load(slot, into, 10), 2048 - slot);
    deepEqual(into.slice(10, 2058 - slot), from.slice(slot, 2048));
    equal(into[2058 - slot], 0xee);
    equal(into[9], 0xee);
    equal(stream.flags(slot), slot & 3);
  }
});

Deno.test("packets of a tunnel with a large MTU are held, up to 2 MiB of a stream", () => {
  const stream = new ReorderStream(300, 50);
  const bytes = 9000;
  const into = new Uint8Array(bytes);
  const room = Math.floor(2 * 1024 * 1024 / bytes);
  for (let slot = 0; slot < room; slot++) {
    ok(stream.store(slot, new Uint8Array(bytes).fill(slot), 0, bytes, 0));
  }
  equal(stream.store(room, into, 0, bytes, 0), false);
  ok(stream.store(room, into, 0, 2048, 0), "short ones have memory of their own");
  equal(stream.load(7, into, 0), bytes);
  ok(into.every((byte) => byte === 7));
  ok(stream.store(7, into, 0, bytes, 0), "what has been delivered makes room");
});

Deno.test("a session has 64 streams at most, each in its own order", () => {
  const reordering = new Reordering(16, 50);
  const streams = Array.from({ length: 64 }, (_, id) => reordering.stream(id * 3)!);
  equal(new Set(streams).size, 64);
  equal(reordering.stream(1), null);
  equal(reordering.stream(3), streams[1]);
  equal([...reordering.streams].length, 64);
});

Deno.test("deadline and counters are those of all streams together", () => {
  const reordering = new Reordering(16, 50);
  equal(reordering.nextDeadline(), Infinity);
  const [one, two] = [reordering.stream(1)!, reordering.stream(2)!];
  ok(one.buffer.offer(2, 100) >= 0);
  ok(two.buffer.offer(3, 80) >= 0);
  ok(two.buffer.offer(4, 90) >= 0);
  equal(reordering.nextDeadline(), 130);
  for (const { buffer } of reordering.streams) while (buffer.take(1000) !== EMPTY);
  deepEqual(reordering.counters(), {
    ...{ bufferedEvents: 3, reorderedEvents: 0, drops: 0, flushes: 2, maxDepth: 2 },
  });
  equal(reordering.nextDeadline(), Infinity);
});
