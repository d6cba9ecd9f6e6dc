/** The TUN device without offloads: one packet a read or write, its checksums complete. */
import type { Libc } from "../../ffi/libc/libc.ts";
import { EAGAIN } from "../../ffi/libc/errno.ts";
import type { FlowKey } from "../../protocol/packet/flow_key.ts";
import { completeChecksum } from "../../protocol/packet/checksum.ts";
import {
  PACKET_BYTES_MAX,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  TCP_CHECKSUM,
  UDP_CHECKSUM,
} from "../../protocol/packet/ip.ts";
import type { DropCounters } from "../../protocol/wire/drop_reason.ts";
import type { PacketSink } from "../driver/ends.ts";
import type { PacketMemory } from "../driver/memory.ts";
import { newMemory } from "../driver/packet_cells.ts";

export class TunPort implements PacketSink {
  /** What `read` has read. */
  readonly read: PacketMemory = newMemory(PACKET_BYTES_MAX);
  readonly #written: PacketMemory = newMemory(PACKET_BYTES_MAX);
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #drops: DropCounters;

  constructor(libc: Libc, fd: number, drops: DropCounters) {
    this.#libc = libc;
    this.#fd = fd;
    this.#drops = drops;
  }

  /**
   * Reads a packet to the start of `read`. Returns its length, 0 when none waits, or the negative
   * errno.
   */
  readPacket(): number {
    const address = BigInt(this.read.origin);
    const length = this.#libc.read(this.#fd, address, BigInt(PACKET_BYTES_MAX));
    return length === -EAGAIN ? 0 : length;
  }

  deliver(memory: PacketMemory, packet: number, flow: FlowKey, partialChecksum: boolean): void {
    const { bytes, view, origin } = this.#written;
    const length = flow.end - packet;
    bytes.set(memory.bytes.subarray(packet, flow.end));
    if (partialChecksum) completeAt(view, flow.transport - packet, length, flow.protocol);
    const written = this.#libc.write(this.#fd, BigInt(origin), BigInt(length));
    if (written < 0) this.#drops.count("TUN refused");
  }

  flush(): void {
    // Every packet has been written at once.
  }
}

function completeAt(view: DataView, transport: number, end: number, protocol: number): void {
  const field = protocol === PROTOCOL_TCP
    ? TCP_CHECKSUM
    : protocol === PROTOCOL_UDP
    ? UDP_CHECKSUM
    : -1;
  if (transport < 0 || field < 0 || transport + field + 2 > end) return;
  completeChecksum(view, transport, end, transport + field);
}
