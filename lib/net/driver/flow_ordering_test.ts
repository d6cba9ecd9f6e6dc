import { deepEqual, equal } from "node:assert/strict";
import { FlowOrdering, type PacketPlace } from "./flow_ordering.ts";
import { newMemory, PacketCells } from "./packet_cells.ts";

/** Cells made at a time. */
const CHUNK_CELLS = 64;
const STREAM = 3;

function setUp() {
  const cells = new PacketCells();
  const delivered: number[] = [];
  const ordering = new FlowOrdering(
    cells,
    ({ memory, offset }) => void delivered.push(memory.bytes[offset]!),
  );
  const push = (sequence: number, length = 10) => {
    const at: PacketPlace = { memory: newMemory(length), offset: 0, length, flags: 0 };
    at.memory.bytes[0] = sequence;
    const extension = { order: sequence, paths: 0b11, flags: 0 };
    return ordering.push(STREAM, sequence, extension, 0, at, 0);
  };
  return { cells, delivered, ordering, push };
}

Deno.test("packets are delivered in order, from copies where they had to wait", () => {
  const { delivered, push } = setUp();
  deepEqual([push(1), push(3), push(2), push(3)], ["taken", "taken", "taken", "duplicate"]);
  deepEqual(delivered, [1, 2, 3]);
});

Deno.test("packets of a large MTU are put in order, too", () => {
  const { delivered, push } = setUp();
  for (const sequence of [1, 3, 4, 2]) push(sequence, 9000);
  deepEqual(delivered, [1, 2, 3, 4]);
});

Deno.test("a cell is used again only when nobody reads it any more", () => {
  const { cells, ordering, push } = setUp();
  for (const sequence of [1, 3, 4, 2]) push(sequence);
  push(6);
  // Delivered, held and given back: the TUN device may still be about to be handed 3 and 4.
  ordering.free();
  const taken = Array.from({ length: CHUNK_CELLS - 3 }, () => cells.take());
  equal(new Set(taken).size, CHUNK_CELLS - 3);
  equal(cells.take(), CHUNK_CELLS, "the first of a new chunk");
  cells.reclaim();
  const again = [cells.take(), cells.take(), cells.take()];
  equal(again.every((cell) => cell < CHUNK_CELLS && !taken.includes(cell)), true);
});
