/** The memory of the native engine: one arena, with a region for each stage of the data path. */
import { VNET_HEADER_LENGTH } from "../../ffi/linux/tun.ts";
import { Arena } from "../../ffi/memory/arena.ts";

/** The longest IP packet, and the longest a UDP datagram of ours is ever made. */
export const PACKET_BYTES_MAX = 65_535;
const REGION_BYTES = 65_536 + 64;
/** Batches being filled at a time, each for one path. */
const SEND_BATCHES = 4;
/** As long as a packet of the tunnel may be, whatever its MTU. */
export const MADE_BYTES = 9216;
/** Message headers, iovecs and poll entries. */
const CONTROL_BYTES = 8192;

export class Layout {
  readonly arena = new Arena((3 + SEND_BATCHES) * REGION_BYTES + MADE_BYTES + CONTROL_BYTES);
  /** A packet read from the TUN device, its virtio header in front. */
  readonly tunRead = this.arena.reserve(REGION_BYTES);
  /** Records sealed, each region to leave in one send. */
  readonly send = Array.from({ length: SEND_BATCHES }, () => this.arena.reserve(REGION_BYTES));
  /** Datagrams received, opened in place. */
  readonly receive = this.arena.reserve(REGION_BYTES);
  /** One packet that did not come straight from a datagram: held for its turn, or compressed. */
  readonly single = this.arena.reserve(REGION_BYTES);
  /** A packet made here: inflated, or an answer to one that is too big, or a part of that. */
  readonly made = this.arena.reserve(MADE_BYTES);
  /** The virtio header of the packet written to the TUN device. */
  readonly vnetHeader = this.arena.reserve(VNET_HEADER_LENGTH);
}
