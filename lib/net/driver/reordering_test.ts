import { deepEqual, equal, ok } from "node:assert/strict";
import { EMPTY } from "../../protocol/receive/reorder_buffer.ts";
import { LARGE_CELL_BYTES, PacketCells } from "./packet_cells.ts";
import { Reordering } from "./reordering.ts";

const SESSION_BYTES_MAX = 8 * 1024 * 1024;

function newReordering(capacity: number): Reordering {
  return new Reordering({ capacity, flushTimeoutMs: 50 }, new PacketCells());
}

Deno.test("packets held in every slot come back as they were stored", () => {
  const stream = newReordering(200).stream(1)!;
  const from = Uint8Array.from({ length: 5000 }, (_, index) => index * 7);
  for (let slot = 0; slot < 200; slot++) {
    ok(stream.store(slot, from, slot, 2048 - slot, slot & 3));
  }
  for (let slot = 0; slot < 200; slot++) {
    stream.take(slot);
    const { memory, offset, length, flags } = stream;
    equal(length, 2048 - slot);
    deepEqual(memory.bytes.slice(offset, offset + length), from.slice(slot, 2048));
    equal(memory.view.getUint8(offset), from[slot]);
    equal(flags, slot & 3);
  }
});

Deno.test("a session holds 8 MiB, short packets and long ones together, in all its streams", () => {
  const reordering = newReordering(8192);
  const [one, two] = [reordering.stream(1)!, reordering.stream(2)!];
  const long = new Uint8Array(9000).fill(7);
  for (let slot = 0; slot < 100; slot++) ok(one.store(slot, long, 0, long.length, 0));
  const room = Math.floor((SESSION_BYTES_MAX - 100 * LARGE_CELL_BYTES) / 2048);
  for (let slot = 0; slot < room; slot++) ok(two.store(slot, long, 0, 100, 0));
  equal(two.store(room, long, 0, 100, 0), false);
  one.take(3);
  equal(one.length, long.length);
  deepEqual(one.memory.bytes.slice(0, long.length), long);
  ok(two.store(room, long, 0, 100, 0), "what has been delivered makes room");
});

Deno.test("a session that ends gives back all it holds", () => {
  const reordering = newReordering(16);
  const stream = reordering.stream(1)!;
  const packet = new Uint8Array(100);
  for (const sequence of [5, 7]) {
    ok(stream.store(stream.buffer.offer(sequence, 0), packet, 0, packet.length, 0));
  }
  reordering.free();
  equal([...reordering.streams].length, 0);
});

Deno.test("a session has 64 streams at most, each in its own order", () => {
  const reordering = newReordering(16);
  const streams = Array.from({ length: 64 }, (_, id) => reordering.stream(id * 3)!);
  equal(new Set(streams).size, 64);
  equal(reordering.stream(1), null);
  equal(reordering.stream(3), streams[1]);
  equal([...reordering.streams].length, 64);
});

Deno.test("the counters are those of all streams together", () => {
  const reordering = newReordering(16);
  const [one, two] = [reordering.stream(1)!, reordering.stream(2)!];
  ok(one.buffer.offer(2, 100) >= 0);
  ok(two.buffer.offer(3, 80) >= 0);
  ok(two.buffer.offer(4, 90) >= 0);
  for (const { buffer } of reordering.streams) while (buffer.take(1000) !== EMPTY);
  deepEqual(reordering.counters(), {
    ...{ bufferedEvents: 3, reorderedEvents: 0, drops: 0, flushes: 2, maxDepth: 2 },
  });
});
