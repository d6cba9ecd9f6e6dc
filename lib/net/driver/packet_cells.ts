/**
 * Memory for packets that wait for others, in cells of two sizes: for ordinary packets, and for those
 * of a tunnel with a large MTU. Made when it is first needed, bounded for each user and in all, and
 * used again.
 */
import { pinnedBytes } from "../../ffi/memory/arena.ts";
import type { PacketMemory } from "./memory.ts";

const CELL_BYTES = 2048;
/** The tunnel's MTU is 9000 at most. */
export const LARGE_CELL_BYTES = 5 * CELL_BYTES;
const CELLS_MAX = 64 * 1024 * 1024 / CELL_BYTES;
const LARGE_CELLS_MAX = 3200;
const CHUNK_CELLS = 64;
/** There is no room. */
export const NO_CELL = -1;
/** Bit of a cell's number: it is a large one. */
const LARGE = 1 << 30;

/** Stands for no memory. */
export const NO_MEMORY: PacketMemory = {
  bytes: new Uint8Array(0),
  view: new DataView(new ArrayBuffer(0)),
  origin: 0,
  address: () => 0n,
};

/** What a packet of so many bytes takes up. */
export function cellBytesFor(bytes: number): number {
  return bytes <= CELL_BYTES ? CELL_BYTES : LARGE_CELL_BYTES;
}

export class PacketCells {
  readonly #ordinary = new CellPool(CELL_BYTES, CELLS_MAX);
  readonly #large = new CellPool(LARGE_CELL_BYTES, LARGE_CELLS_MAX);
  /** Given back, but perhaps still read until the sink is flushed. */
  readonly #released: number[] = [];

  /** Hot. The number of a cell for so many bytes, or NO_CELL. */
  take(bytes = CELL_BYTES): number {
    if (bytes <= CELL_BYTES) return this.#ordinary.take();
    const cell = bytes <= LARGE_CELL_BYTES ? this.#large.take() : NO_CELL;
    return cell === NO_CELL ? NO_CELL : cell | LARGE;
  }

  /** Hot. The memory of a cell, which starts at `offset(cell)`. */
  memory(cell: number): PacketMemory {
    return this.#poolOf(cell).memory(cell & ~LARGE);
  }

  offset(cell: number): number {
    return this.#poolOf(cell).offset(cell & ~LARGE);
  }

  /** Gives a cell back, which keeps its bytes until `reclaim`. */
  release(cell: number): void {
    this.#released.push(cell);
  }

  /** Frees released cells: nothing reads them any more. */
  reclaim(): void {
    for (let cell = this.#released.pop(); cell !== undefined; cell = this.#released.pop()) {
      this.#poolOf(cell).give(cell & ~LARGE);
    }
  }

  #poolOf(cell: number): CellPool {
    return (cell & LARGE) === 0 ? this.#ordinary : this.#large;
  }
}

/** Cells of one size. */
class CellPool {
  readonly #chunks: PacketMemory[] = [];
  readonly #free: number[] = [];

  constructor(readonly cellBytes: number, readonly cellsMax: number) {}

  take(): number {
    if (this.#free.length === 0) this.#grow();
    return this.#free.pop() ?? NO_CELL;
  }

  give(cell: number): void {
    this.#free.push(cell);
  }

  memory(cell: number): PacketMemory {
    return this.#chunks[Math.floor(cell / CHUNK_CELLS)]!;
  }

  offset(cell: number): number {
    return (cell % CHUNK_CELLS) * this.cellBytes;
  }

  #grow(): void {
    const first = this.#chunks.length * CHUNK_CELLS;
    if (first >= this.cellsMax) return;
    this.#chunks.push(newMemory(CHUNK_CELLS * this.cellBytes));
    for (let cell = first + CHUNK_CELLS - 1; cell >= first; cell--) this.#free.push(cell);
  }
}

/** Memory of cells, or any other memory with few addresses in use. */
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
