import { equal, ok } from "node:assert/strict";
import { LARGE_CELL_BYTES, NO_CELL, PacketCells } from "./packet_cells.ts";

Deno.test("a cell that was given back keeps its bytes until it is reclaimed", () => {
  const cells = new PacketCells();
  const taken = new Set<number>();
  for (let cell = cells.take(); cell !== NO_CELL; cell = cells.take()) taken.add(cell);
  equal(taken.size, 64 * 1024 * 1024 / 2048);
  cells.release(5);
  equal(cells.take(), NO_CELL);
  cells.reclaim();
  equal(cells.take(), 5);
});

Deno.test("large packets have cells of their own, which are used again", () => {
  const cells = new PacketCells();
  const taken = new Set<number>();
  for (let cell = cells.take(9000); cell !== NO_CELL; cell = cells.take(9000)) taken.add(cell);
  equal(taken.size, 3200);
  const places = [...taken].map((cell) => `${cells.memory(cell).origin}+${cells.offset(cell)}`);
  equal(new Set(places).size, taken.size);
  const [one] = taken;
  const { bytes } = cells.memory(one!);
  ok(cells.offset(one!) + 9000 <= bytes.length);
  cells.release(one!);
  cells.reclaim();
  equal(cells.memory(cells.take(2049)).bytes, bytes);
  ok(cells.take(2048) >= 0, "the others are there");
  equal(cells.take(LARGE_CELL_BYTES + 1), NO_CELL);
});
