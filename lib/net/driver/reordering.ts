/**
 * The reorder stage of one session: its buffers (one for a v1 session, one for each stream of x1)
 * and copies of the packets they hold, bounded in bytes.
 */
import { CopyFilter } from "../../protocol/receive/copy_filter.ts";
import { ReorderBuffer, type ReorderOptions } from "../../protocol/receive/reorder_buffer.ts";
import type { PacketMemory } from "./memory.ts";
import { cellBytesFor, NO_CELL, NO_MEMORY, type PacketCells } from "./packet_cells.ts";
import { STREAMS_MAX } from "../../protocol/wire/header.ts";

/** Of one session, in all its streams. */
const HELD_BYTES_MAX = 8 * 1024 * 1024;

/** What a session holds, in bytes of memory. */
interface Held {
  bytes: number;
}

export class ReorderStream {
  readonly buffer: ReorderBuffer;
  /** The packet `take` gave last. */
  memory: PacketMemory;
  offset = 0;
  length = 0;
  flags = 0;
  readonly #cells: PacketCells;
  readonly #held: Held;
  /** By slot. */
  readonly #cell: Int32Array;
  readonly #lengths: Uint16Array;
  readonly #flags: Uint8Array;

  constructor(options: ReorderOptions, cells: PacketCells, held: Held) {
    const { capacity } = options;
    this.buffer = new ReorderBuffer(options);
    this.#cells = cells;
    this.#held = held;
    this.#cell = new Int32Array(capacity);
    this.#lengths = new Uint16Array(capacity);
    this.#flags = new Uint8Array(capacity);
    this.memory = NO_MEMORY;
  }

  /** Keeps a copy of a packet. False when there is no room for it. */
  store(slot: number, from: Uint8Array, offset: number, length: number, flags: number): boolean {
    const held = this.#held;
    const cells = this.#cells;
    const bytes = cellBytesFor(length);
    if (held.bytes + bytes > HELD_BYTES_MAX) return false;
    const cell = cells.take(length);
    if (cell === NO_CELL) return false;
    cells.memory(cell).bytes.set(from.subarray(offset, offset + length), cells.offset(cell));
    held.bytes += bytes;
    this.#cell[slot] = cell;
    this.#lengths[slot] = length;
    this.#flags[slot] = flags;
    return true;
  }

  /**
   * Takes out the packet of `slot`: it lies in `memory` until its cell is reclaimed. To be called once
   * for each packet stored.
   */
  take(slot: number): void {
    const cells = this.#cells;
    const cell = this.#cell[slot]!;
    this.length = this.#lengths[slot]!;
    this.flags = this.#flags[slot]!;
    this.#held.bytes -= cellBytesFor(this.length);
    this.memory = cells.memory(cell);
    this.offset = cells.offset(cell);
    cells.release(cell);
  }
}

export class Reordering {
  readonly #options: ReorderOptions;
  readonly #cells: PacketCells;
  readonly #held: Held = { bytes: 0 };
  readonly #streams = new Map<number, ReorderStream>();
  readonly #copies = new Map<number, CopyFilter>();

  /**
   * @param options of every stream.
   * @param cells memory for what is held, which other sessions may share.
   */
  constructor(options: ReorderOptions, cells: PacketCells) {
    this.#options = options;
    this.#cells = cells;
  }

  /** The stream `id` (0 for all of v1), or null when there are too many. */
  stream(id: number): ReorderStream | null {
    const known = this.#streams.get(id);
    if (known !== undefined) return known;
    if (this.#streams.size >= STREAMS_MAX) return null;
    const stream = new ReorderStream(this.#options, this.#cells, this.#held);
    this.#streams.set(id, stream);
    return stream;
  }

  /** Whether a packet that was sent several times comes for the first time. */
  isFirstCopy(stream: number, sequence: number): boolean {
    let filter = this.#copies.get(stream);
    if (filter === undefined) {
      if (this.#copies.size >= STREAMS_MAX) return false;
      this.#copies.set(stream, filter = new CopyFilter());
    }
    return filter.accept(sequence);
  }

  get streams(): Iterable<ReorderStream> {
    return this.#streams.values();
  }

  /** Gives the memory of all packets held back. */
  free(): void {
    for (const stream of this.#streams.values()) {
      const { buffer } = stream;
      for (let slot = buffer.take(Infinity); slot >= 0; slot = buffer.take(Infinity)) {
        stream.take(slot);
      }
    }
    this.#streams.clear();
  }

  /** The counters of all streams together. */
  counters() {
    const sum = { bufferedEvents: 0, reorderedEvents: 0, drops: 0, flushes: 0, maxDepth: 0 };
    for (const { buffer: { counters } } of this.#streams.values()) {
      sum.bufferedEvents += counters.bufferedEvents;
      sum.reorderedEvents += counters.reorderedEvents;
      sum.drops += counters.drops;
      sum.flushes += counters.flushes;
      sum.maxDepth = Math.max(sum.maxDepth, counters.maxDepth);
    }
    return sum;
  }
}
