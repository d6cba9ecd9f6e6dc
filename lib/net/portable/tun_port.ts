/** The TUN device without offloads: one packet a read or write, its checksums complete. */
import type { Libc } from "../../ffi/libc/libc.ts";
import { EAGAIN } from "../../ffi/libc/errno.ts";
import { pinnedBytes } from "../../ffi/memory/arena.ts";
import type { FlowKey } from "../../protocol/packet/flow_key.ts";
import { completeChecksum } from "../../protocol/packet/checksum.ts";
import {
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  TCP_CHECKSUM,
  UDP_CHECKSUM,
} from "../../protocol/packet/ip.ts";

/** The longest IP packet there is. */
const PACKET_BYTES_MAX = 65_535;

/** One packet, in memory that the kernel reads and writes. */
class Packet {
  readonly #pinned = pinnedBytes(PACKET_BYTES_MAX);
  readonly bytes = this.#pinned.bytes;
  readonly address = this.#pinned.address;
  readonly view = new DataView(this.bytes.buffer);
}

export class TunPort {
  /** What `read` has read. */
  readonly outbound = new Packet();
  /** What `write` writes. */
  readonly inbound = new Packet();
  readonly #libc: Libc;
  readonly #fd: number;

  constructor(libc: Libc, fd: number) {
    this.#libc = libc;
    this.#fd = fd;
  }

  /** Reads a packet into `outbound`. Returns its length, 0 when none waits, or the negative errno. */
  read(): number {
    const length = this.#libc.read(this.#fd, this.outbound.address, BigInt(PACKET_BYTES_MAX));
    return length === -EAGAIN ? 0 : length;
  }

  /**
   * Writes the packet at the start of `inbound`, which `flow` was read from. False when the kernel
   * refuses it.
   * @param partialChecksum whether its checksum field holds the pseudo-header sum only.
   */
  write(flow: FlowKey, partialChecksum: boolean): boolean {
    if (partialChecksum) this.#completeChecksum(flow);
    return this.#libc.write(this.#fd, this.inbound.address, BigInt(flow.end)) >= 0;
  }

  #completeChecksum({ transport, end, protocol }: FlowKey): void {
    const field = protocol === PROTOCOL_TCP
      ? TCP_CHECKSUM
      : protocol === PROTOCOL_UDP
      ? UDP_CHECKSUM
      : -1;
    if (transport < 0 || field < 0 || transport + field + 2 > end) return;
    completeChecksum(this.inbound.view, transport, end, transport + field);
  }
}
