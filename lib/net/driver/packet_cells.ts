/**
 * Memory for packets that wait for others, in cells of one size. Made when it is first needed, bounded
 * for each user and in all, and used again.
 */
import { pinnedBytes } from "../../ffi/memory/arena.ts";
import type { PacketMemory } from "./memory.ts";

export const CELL_BYTES = 2048;
const CHUNK_CELLS = 64;
const CELLS_MAX = 64 * 1024 * 1024 / CELL_BYTES;
/** There is no room. */
export const NO_CELL = -1;

/** What lies nowhere. */
export const NO_MEMORY: PacketMemory = {
  bytes: new Uint8Array(0),
  view: new DataView(new ArrayBuffer(0)),
  origin: 0,
  address: () => 0n,
};

export class PacketCells {
  readonly #chunks: PacketMemory[] = [];
  readonly #free: number[] = [];
  /** Given back, but perhaps still read until the sink is flushed. */
  readonly #released: number[] = [];

  /** A cell, or NO_CELL. */
  take(): number {
    if (this.#free.length === 0) this.#grow();
    return this.#free.pop() ?? NO_CELL;
  }

  /** The memory of a cell, which starts at `offset(cell)`. */
  memory(cell: number): PacketMemory {
    return this.#chunks[Math.floor(cell / CHUNK_CELLS)]!;
  }

  offset(cell: number): number {
    return (cell % CHUNK_CELLS) * CELL_BYTES;
  }

  /** Gives a cell back, which keeps its bytes until `reclaim`. */
  release(cell: number): void {
    this.#released.push(cell);
  }

  /** Nobody reads cells given back any more. */
  reclaim(): void {
    for (let cell = this.#released.pop(); cell !== undefined; cell = this.#released.pop()) {
      this.#free.push(cell);
    }
  }

  #grow(): void {
    const first = this.#chunks.length * CHUNK_CELLS;
    if (first >= CELLS_MAX) return;
    this.#chunks.push(newMemory(CHUNK_CELLS * CELL_BYTES));
    for (let cell = first + CHUNK_CELLS - 1; cell >= first; cell--) this.#free.push(cell);
  }
}

/** Memory of cells, or of anything else that few addresses are asked of. */
class PinnedMemory implements PacketMemory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  readonly origin: number;
  /** By cell. */
  readonly #addresses: bigint[] = [];

  constructor(length: number) {
    const { bytes, address } = pinnedBytes(length);
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, 0, length);
    this.origin = Number(address);
  }

  address(offset: number): bigint {
    if (offset % CELL_BYTES !== 0) return BigInt(this.origin + offset);
    return this.#addresses[offset / CELL_BYTES] ??= BigInt(this.origin + offset);
  }
}

export function newMemory(length: number): PacketMemory {
  return new PinnedMemory(length);
}
