/**
 * Copies of the packets that a scheduler holds back, by slot, until each is sent for the last time or
 * dropped. Bounded for each session: when it is full, a client stops reading its TUN device and a
 * server drops packets.
 */
import type { Scheduler } from "../../protocol/schedule/scheduler.ts";
import { ORDER_EXTENSION_LENGTH } from "../../protocol/wire/order_extension.ts";
import type { PacketMemory } from "./memory.ts";
import { NO_CELL, NO_MEMORY, type PacketCells } from "./packet_cells.ts";

/** From so many packets of a session on, no more should be read, */
const STORED_PACKETS_FULL = 2048;
/** and so many are kept at most, since one read may be many packets. */
export const STORED_PACKETS_MAX = 4096;
/** There is no room. */
export const NO_SLOT = -1;

interface StoredPacket {
  cell: number;
  memory: PacketMemory;
  offset: number;
  length: number;
  /** FLAG_ bits that are its own. */
  flags: number;
  compression: number;
  trafficClass: number;
  /** Its number in its stream, once it has left; 0 before. */
  sequence: number;
  hasLeft: boolean;
}

/** The packets of one session. Slots are numbered from 0. */
export class PacketStore {
  readonly #cells: PacketCells;
  readonly #packets: StoredPacket[] = [];
  readonly #free: number[] = [];
  #scheduler: Scheduler | null = null;

  constructor(cells: PacketCells) {
    this.#cells = cells;
  }

  /** How many packets it holds. */
  get count(): number {
    return this.#packets.length - this.#free.length;
  }

  /** Whether no more packets should be read. */
  get isFull(): boolean {
    return this.count >= STORED_PACKETS_FULL;
  }

  /** Hot. Keeps a copy of a packet. Returns its slot, or NO_SLOT. */
  put(
    { bytes }: PacketMemory,
    packet: number,
    length: number,
    flags: number,
    compression: number,
    trafficClass: number,
  ): number {
    if (this.count >= STORED_PACKETS_MAX) return NO_SLOT;
    const needed = length + ORDER_EXTENSION_LENGTH;
    const cell = this.#cells.take(needed);
    if (cell === NO_CELL) return NO_SLOT;
    const slot = this.#free.pop() ?? this.#packets.push(newPacket()) - 1;
    const stored = this.#packets[slot]!;
    stored.cell = cell;
    stored.memory = this.#cells.memory(cell);
    stored.offset = this.#cells.offset(cell);
    stored.length = length;
    stored.flags = flags;
    stored.compression = compression;
    stored.trafficClass = trafficClass;
    stored.sequence = 0;
    stored.hasLeft = false;
    stored.memory.bytes.set(bytes.subarray(packet, packet + length), stored.offset);
    return slot;
  }

  /** Hot. The packet in a slot that `put` gave. */
  get(slot: number): StoredPacket {
    return this.#packets[slot]!;
  }

  /** Hot. The packet will not leave any more; its slot is free. */
  release(slot: number): void {
    const stored = this.#packets[slot]!;
    this.#cells.release(stored.cell);
    this.#cells.reclaim();
    stored.memory = NO_MEMORY;
    this.#free.push(slot);
  }

  /**
   * Hot. What is put from now on is held by `scheduler`; what another one held is given up. Returns
   * how many packets of that never left.
   */
  keepFor(scheduler: Scheduler): number {
    if (scheduler === this.#scheduler) return 0;
    this.#scheduler = scheduler;
    return this.free();
  }

  /** Gives all memory back. Returns how many packets never left. */
  free(): number {
    const free = new Set(this.#free);
    let unsent = 0;
    for (const [slot, { hasLeft }] of this.#packets.entries()) {
      if (free.has(slot)) continue;
      if (!hasLeft) unsent++;
      this.release(slot);
    }
    return unsent;
  }
}

function newPacket(): StoredPacket {
  return {
    ...{ cell: NO_CELL, memory: NO_MEMORY, offset: 0, length: 0 },
    ...{ flags: 0, compression: 0, trafficClass: 0, sequence: 0, hasLeft: false },
  };
}
