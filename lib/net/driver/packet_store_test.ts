import { deepEqual, equal, notEqual } from "node:assert/strict";
import type { Scheduler } from "../../protocol/schedule/scheduler.ts";
import { newMemory, PacketCells } from "./packet_cells.ts";
import { NO_SLOT, PacketStore } from "./packet_store.ts";

const STORED_PACKETS_MAX = 4096;
const CELLS = 64 * 1024 * 1024 / 2048;

function setUp() {
  const cells = new PacketCells();
  const store = new PacketStore(cells);
  const memory = newMemory(20_000);
  memory.bytes.forEach((_, index) => memory.bytes[index] = index % 251);
  const put = (packet = 0, length = 100) => store.put(memory, packet, length, 5, 2, 184);
  const bytesOf = (slot: number) => {
    const { memory, offset, length } = store.get(slot);
    return memory.bytes.slice(offset, offset + length);
  };
  return { cells, store, memory, put, bytesOf };
}

Deno.test("a packet is a copy of what was put, of any length, until it is released", () => {
  const { store, memory, put, bytesOf } = setUp();
  const lengths = [20, 1400, 2040, 2048, 9000];
  const slots = lengths.map((length, index) => put(index, length));
  memory.bytes.fill(0);
  for (const [index, slot] of slots.entries()) {
    const expected = Uint8Array.from({ length: lengths[index]! }, (_, at) => (at + index) % 251);
    deepEqual(bytesOf(slot), expected);
    const { flags, compression, trafficClass, sequence, hasLeft } = store.get(slot);
    deepEqual([flags, compression, trafficClass, sequence, hasLeft], [5, 2, 184, 0, false]);
  }
  equal(store.count, lengths.length);
});

Deno.test("a slot that is free is used again, and is as new", () => {
  const { store, put } = setUp();
  const slot = put();
  Object.assign(store.get(slot), { sequence: 9, hasLeft: true });
  store.release(slot);
  equal(put(), slot);
  deepEqual([store.get(slot).sequence, store.get(slot).hasLeft], [0, false]);
});

Deno.test("a session stores 4096 packets, and is full from 2048 on", () => {
  const { store, put } = setUp();
  for (let count = 1; count <= STORED_PACKETS_MAX; count++) {
    notEqual(put(), NO_SLOT);
    equal(store.isFull, count >= STORED_PACKETS_MAX / 2);
  }
  equal(put(), NO_SLOT);
  store.release(7);
  equal(put(), 7);
});

Deno.test("where the memory of all sessions is used up, nothing is stored, and no slot is lost", () => {
  const { cells, store, put } = setUp();
  const taken = Array.from({ length: CELLS }, () => cells.take());
  equal(put(), NO_SLOT);
  equal(store.count, 0);
  cells.release(taken[0]!);
  cells.reclaim();
  equal(put(), 0);
});

Deno.test("another scheduler is told how many packets of the last one never left", () => {
  const { store, put } = setUp();
  const [one, other] = [{}, {}] as [Scheduler, Scheduler];
  equal(store.keepFor(one), 0);
  put();
  store.get(put()).hasLeft = true;
  put();
  equal(store.keepFor(one), 0, "it is the same");
  equal(store.keepFor(other), 2);
  equal(store.count, 0);
});
