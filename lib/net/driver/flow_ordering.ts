/** Packets of flows that use several paths, held in cells until their turn has come. */
import type { OrderExtension } from "../../protocol/wire/order_extension.ts";
import { type OrderedSink, StreamOrder } from "../../protocol/receive/stream_order.ts";
import type { PacketMemory } from "./memory.ts";
import { NO_CELL, NO_MEMORY, type PacketCells } from "./packet_cells.ts";

/** Where a packet lies, and its FLAG_ bits. */
export interface PacketPlace {
  memory: PacketMemory;
  offset: number;
  length: number;
  flags: number;
}

interface HeldPacket extends PacketPlace {
  cell: number;
}

/** Packets a session holds at most; before that, the oldest gaps are given up. */
const HELD_MAX = 4096;

export class FlowOrdering implements OrderedSink {
  tunedAt = -Infinity;
  readonly #order = new StreamOrder(this);
  readonly #cells: PacketCells;
  readonly #deliver: (at: PacketPlace) => void;
  readonly #packets: HeldPacket[] = [];
  readonly #free: number[] = [];

  constructor(cells: PacketCells, deliver: (at: PacketPlace) => void) {
    this.#cells = cells;
    this.#deliver = deliver;
  }

  tune(waitMs: number, recoveryMs: number, now: number): void {
    this.#order.waitMs = waitMs;
    this.#order.recoveryMs = recoveryMs;
    this.tunedAt = now;
  }

  /** Hot. Takes a packet that lies at `at`: delivers it, or keeps a copy. */
  push(
    stream: number,
    sequence: number,
    { order, paths, flags }: OrderExtension,
    path: number,
    at: PacketPlace,
    now: number,
  ): "taken" | "duplicate" | "unknown stream" {
    const slot = this.#free.pop() ?? this.#packets.push(newPacket()) - 1;
    const packet = this.#packets[slot]!;
    packet.memory = at.memory;
    packet.offset = at.offset;
    packet.length = at.length;
    packet.flags = at.flags;
    packet.cell = NO_CELL;
    const result = this.#order.push(stream, sequence, order, paths, flags, path, slot, now);
    if (result === "held") this.#keep(packet, now);
    if (result !== "duplicate" && result !== "unknown stream") return "taken";
    this.#free.push(slot);
    return result;
  }

  /** Copies a packet that has to wait, since its memory will be overwritten. */
  #keep(packet: HeldPacket, now: number): void {
    const { memory, offset, length } = packet;
    const cell = this.#order.heldPackets > HELD_MAX ? NO_CELL : this.#cells.take(length);
    // Out of order is better than lost.
    if (cell === NO_CELL) return this.#order.giveUpAll(now);
    packet.cell = cell;
    packet.memory = this.#cells.memory(cell);
    packet.offset = this.#cells.offset(cell);
    packet.memory.bytes.set(memory.bytes.subarray(offset, offset + length), packet.offset);
  }

  /** {@link OrderedSink}. */
  deliver(slot: number): void {
    const packet = this.#packets[slot]!;
    this.#deliver(packet);
    if (packet.cell !== NO_CELL) this.#cells.release(packet.cell);
    packet.memory = NO_MEMORY;
    this.#free.push(slot);
  }

  handleTimeout(now: number): void {
    this.#order.handleTimeout(now);
  }

  nextTimeout(now: number): number {
    return Math.max(now, this.#order.nextTimeout());
  }

  /** Gives the memory of all packets back; what was delivered may be read until the next flush. */
  free(): void {
    for (const { cell, memory } of this.#packets) {
      if (cell !== NO_CELL && memory !== NO_MEMORY) this.#cells.release(cell);
    }
    this.#packets.length = 0;
  }
}

function newPacket(): HeldPacket {
  return { memory: NO_MEMORY, offset: 0, length: 0, flags: 0, cell: NO_CELL };
}
