/**
 * The memory of the native engine: one arena, with a region for each stage of the data path. Records
 * that wait to be sent lie in batches of their own, and packets that wait for others in cells.
 */
import { VNET_HEADER_LENGTH } from "../../ffi/linux/tun.ts";
import { Arena } from "../../ffi/memory/arena.ts";
import type { MadeMemory } from "../driver/ends.ts";

/** Of the region that the TUN device is read to, its virtio header in front. */
export const REGION_BYTES = 65_536 + 64;
/** As long as a packet of the tunnel may be, whatever its MTU. */
const MADE_BYTES = 9216;
/** Message headers, iovecs and poll entries. */
const CONTROL_BYTES = 8192;

export class MemoryLayout {
  readonly arena = new Arena(3 * REGION_BYTES + 2 * MADE_BYTES + CONTROL_BYTES);
  /** A packet read from the TUN device, its virtio header in front. */
  readonly tunRead = this.arena.reserve(REGION_BYTES);
  /** Datagrams received, opened in place: room for what one receive may bring behind others. */
  readonly receive = this.arena.reserve(2 * REGION_BYTES);
  readonly receiveEnd = this.receive + 2 * REGION_BYTES;
  readonly made: MadeMemory = {
    memory: this.arena,
    compressed: this.arena.reserve(MADE_BYTES),
    inflated: this.arena.reserve(MADE_BYTES),
    inflatedBytes: MADE_BYTES,
  };
  /** The virtio header of the packet written to the TUN device. */
  readonly vnetHeader = this.arena.reserve(VNET_HEADER_LENGTH);
}
