/**
 * The last inbound stage: writes packets to the TUN device, consecutive ones of a flow as one
 * super-packet. Nothing is copied: one writev gathers the parts of a super-packet in place.
 */
import type { Libc } from "../../ffi/libc/libc.ts";
import { setAddress } from "../../ffi/memory/arena.ts";
import { type TunDevice, VNET_HEADER_LENGTH } from "../../ffi/linux/tun.ts";
import type { DropCounters } from "../../protocol/wire/drop_reason.ts";
import { TcpCoalescer } from "../../protocol/packet/coalesce.ts";
import { UdpCoalescer } from "../../protocol/packet/coalesce_udp.ts";
import type { FlowKey } from "../../protocol/packet/flow_key.ts";
import { completeChecksum } from "../../protocol/packet/checksum.ts";
import {
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  TCP_CHECKSUM,
  UDP_CHECKSUM,
} from "../../protocol/packet/ip.ts";
import type { PacketSink } from "../driver/ends.ts";
import type { PacketMemory } from "../driver/memory.ts";
import type { MemoryLayout } from "./memory_layout.ts";
import {
  VNET_CHECKSUM_OFFSET,
  VNET_CHECKSUM_START,
  VNET_FLAG_NEEDS_CHECKSUM,
  VNET_GSO_NONE,
  VNET_GSO_SIZE,
  VNET_GSO_TCPV4,
  VNET_GSO_TCPV6,
  VNET_GSO_TYPE,
  VNET_GSO_UDP,
  VNET_HEADERS_LENGTH,
} from "./vnet_header.ts";

const IOVEC_LENGTH = 16;
/** A virtio header and the packets of one super-packet. */
const IOVECS_MAX = 128;

export class TunWriter implements PacketSink {
  readonly #libc: Libc;
  readonly #tun: TunDevice;
  readonly #drops: DropCounters;
  readonly #layout: MemoryLayout;
  readonly #view: DataView;
  /** At most one of them is open. */
  readonly #tcp = new TcpCoalescer();
  readonly #udp = new UdpCoalescer();
  readonly #iovecs: number;
  /** Address of the first iovec in use: with the virtio header, or without. */
  readonly #iovecAddress: bigint;
  /** Parts gathered, the virtio header not counted. */
  #parts = 0;

  constructor(libc: Libc, tun: TunDevice, layout: MemoryLayout, drops: DropCounters) {
    this.#libc = libc;
    this.#tun = tun;
    this.#drops = drops;
    this.#layout = layout;
    const { arena } = layout;
    this.#view = arena.view;
    this.#iovecs = arena.reserve(IOVECS_MAX * IOVEC_LENGTH);
    this.#iovecAddress = arena.address(this.#iovecs + (tun.vnetHeader ? 0 : IOVEC_LENGTH));
    arena.view.setBigUint64(this.#iovecs, arena.address(layout.vnetHeader), true);
    arena.view.setBigUint64(this.#iovecs + 8, BigInt(VNET_HEADER_LENGTH), true);
  }

  deliver(memory: PacketMemory, packet: number, flow: FlowKey, partialChecksum: boolean): void {
    const { view } = memory;
    const { transport, end, protocol } = flow;
    const isPartial = partialChecksum && transport >= 0;
    const coalescer = isPartial ? this.#coalescerFor(protocol) : null;
    if (coalescer === null) {
      this.flush();
    } else {
      if (this.#parts < IOVECS_MAX - 1 && coalescer.append(view, packet, transport, end)) {
        const payload = packet + coalescer.headersLength;
        this.#gather(memory, payload, end - payload);
        return;
      }
      this.flush();
      if (coalescer.start(view, packet, transport, end)) {
        this.#gather(memory, packet, end - packet);
        return;
      }
    }
    this.#writeSingle(memory, packet, flow, isPartial);
  }

  #coalescerFor(protocol: number): TcpCoalescer | UdpCoalescer | null {
    if (protocol === PROTOCOL_TCP) return this.#tun.vnetHeader ? this.#tcp : null;
    return protocol === PROTOCOL_UDP && this.#tun.udpSegments ? this.#udp : null;
  }

  /** Writes what has been gathered. */
  flush(): void {
    if (this.#tcp.count > 0) this.#flush(this.#tcp, TCP_CHECKSUM);
    else if (this.#udp.count > 0) this.#flush(this.#udp, UDP_CHECKSUM);
  }

  #flush(coalescer: TcpCoalescer | UdpCoalescer, checksumOffset: number): void {
    const { count, transportDistance, headersLength, segmentSize, isIpv4 } = coalescer;
    coalescer.finish();
    const tcpGso = isIpv4 ? VNET_GSO_TCPV4 : VNET_GSO_TCPV6;
    const gso = count === 1 ? VNET_GSO_NONE : coalescer === this.#tcp ? tcpGso : VNET_GSO_UDP;
    const gsoSize = count === 1 ? 0 : segmentSize;
    this.#writeHeader(gso, headersLength, gsoSize, transportDistance, checksumOffset);
    this.#write(count);
  }

  #writeSingle(memory: PacketMemory, packet: number, flow: FlowKey, isPartial: boolean): void {
    const { transport, end, protocol } = flow;
    const field = protocol === PROTOCOL_TCP
      ? TCP_CHECKSUM
      : protocol === PROTOCOL_UDP
      ? UDP_CHECKSUM
      : -1;
    const needsChecksum = isPartial && field >= 0 && transport + field + 2 <= end;
    if (needsChecksum && this.#tun.vnetHeader) {
      this.#writeHeader(VNET_GSO_NONE, transport - packet, 0, transport - packet, field);
    } else {
      if (needsChecksum) completeChecksum(memory.view, transport, end, transport + field);
      this.#clearHeader();
    }
    this.#gather(memory, packet, end - packet);
    this.#write(1);
  }

  #gather({ origin }: PacketMemory, offset: number, length: number): void {
    const iovec = this.#iovecs + ++this.#parts * IOVEC_LENGTH;
    setAddress(this.#view, iovec, origin + offset);
    this.#view.setUint32(iovec + 8, length, true);
  }

  #writeHeader(
    gso: number,
    headersLength: number,
    gsoSize: number,
    checksumStart: number,
    checksumOffset: number,
  ): void {
    const view = this.#view;
    const header = this.#layout.vnetHeader;
    view.setUint8(header, VNET_FLAG_NEEDS_CHECKSUM);
    view.setUint8(header + VNET_GSO_TYPE, gso);
    view.setUint16(header + VNET_HEADERS_LENGTH, headersLength, true);
    view.setUint16(header + VNET_GSO_SIZE, gsoSize, true);
    view.setUint16(header + VNET_CHECKSUM_START, checksumStart, true);
    view.setUint16(header + VNET_CHECKSUM_OFFSET, checksumOffset, true);
  }

  #clearHeader(): void {
    const header = this.#layout.vnetHeader;
    for (let i = 0; i < VNET_HEADER_LENGTH; i += 2) this.#view.setUint16(header + i, 0);
  }

  #write(packets: number): void {
    const count = this.#parts + (this.#tun.vnetHeader ? 1 : 0);
    this.#parts = 0;
    const result = this.#libc.writev(this.#tun.fd, this.#iovecAddress, count);
    if (result < 0) this.#drops.count("TUN refused", packets);
  }
}
