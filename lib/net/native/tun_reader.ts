/** Reads the TUN device: one read is a packet, or a TCP super-packet of up to 64 KiB. */
import { type TunDevice, VNET_HEADER_LENGTH } from "../../ffi/linux/tun.ts";
import type { Libc } from "../../ffi/libc/libc.ts";
import { Offload } from "../driver/offload.ts";
import type { MemoryLayout } from "./memory_layout.ts";
import { readOffload } from "./vnet_header.ts";
import { PACKET_BYTES_MAX } from "../../protocol/packet/ip.ts";

/** Reads before the other direction gets its turn. */
const READS_PER_TURN = 32;
const READ_LENGTH = BigInt(PACKET_BYTES_MAX + VNET_HEADER_LENGTH);

/** A turn ends, too, after so many packets. */
const PACKETS_PER_TURN = 2048;

/** Takes the packet of `length` bytes at offset `packet` of the arena; says how many it made. */
type Forward = (packet: number, length: number, offload: Offload, now: number) => number;

export class TunReader {
  readonly #libc: Libc;
  readonly #tun: TunDevice;
  readonly #view: DataView;
  readonly #start: number;
  readonly #startAddress: bigint;
  readonly #packet: number;
  readonly #offload = new Offload();
  /** Whether the last run ended with its turn, and more may wait. */
  isMoreLeft = false;

  constructor(libc: Libc, tun: TunDevice, { arena, tunRead }: MemoryLayout) {
    this.#libc = libc;
    this.#tun = tun;
    this.#view = arena.view;
    this.#start = tunRead;
    this.#startAddress = arena.address(tunRead);
    this.#packet = tunRead + (tun.vnetHeader ? VNET_HEADER_LENGTH : 0);
  }

  /**
   * Hot. Hands on what waits, up to a turn's worth, each packet with the time at which it is sent.
   * Returns how many bytes came.
   * @param mayRead asked before each: whether there is room for more.
   */
  run(forward: Forward, mayRead: () => boolean): number {
    let packets = 0;
    let bytes = 0;
    this.isMoreLeft = false;
    for (let reads = 0; reads < READS_PER_TURN; reads++) {
      if (packets >= PACKETS_PER_TURN || !mayRead()) break;
      const length = this.#libc.read(this.#tun.fd, this.#startAddress, READ_LENGTH);
      if (length <= 0) break;
      bytes += length;
      packets += this.handOn(length, forward);
      this.isMoreLeft = reads === READS_PER_TURN - 1;
    }
    return bytes;
  }

  /** Hot. Hands on the packet whose `length` bytes lie where a read puts them. Returns what it made. */
  handOn(length: number, forward: Forward): number {
    const offload = this.#offload;
    if (this.#tun.vnetHeader) readOffload(this.#view, this.#start, offload);
    return forward(
      this.#packet,
      this.#start + length - this.#packet,
      offload,
      performance.now(),
    );
  }
}
