/** Memory for datagrams: each is used by one datagram at a time, from its arrival to its delivery. */
import type { PacketMemory } from "../driver/memory.ts";
import { newMemory } from "../driver/packet_cells.ts";

/** The longest UDP payload, and a little more. */
const DATAGRAM_BYTES_MAX = 65_536;

/** Keeps as many buffers as were ever in use at a time, which is for its users to bound. */
export class DatagramPool {
  readonly #free: PacketMemory[] = [];

  take(): PacketMemory {
    return this.#free.pop() ?? newMemory(DATAGRAM_BYTES_MAX);
  }

  give(buffer: PacketMemory): void {
    this.#free.push(buffer);
  }
}
