/**
 * UDP packets of one flow and one size leave as one super-packet, which the kernel cuts up again
 * (UDP_SEGMENT; __udp_gso_segment of Linux): addresses and ports are those of the first, and only the
 * last may be shorter. See `coalesce.ts` for TCP.
 *
 * Packets of IPv4 have to bear "don't fragment", or numbers in sequence: the kernel numbers them anew,
 * and these only matter to fragments (RFC 6864).
 */
import { fold, sumPseudoHeader, writeIpv4Checksum } from "./checksum.ts";
import {
  IPV4_DONT_FRAGMENT,
  IPV4_FRAGMENT,
  IPV4_HEADER_LENGTH,
  IPV4_IDENTIFICATION,
  IPV4_TOTAL_LENGTH,
  IPV6_HEADER_LENGTH,
  IPV6_PAYLOAD_LENGTH,
  PACKET_BYTES_MAX,
  PROTOCOL_UDP,
  UDP_CHECKSUM,
  UDP_HEADER_LENGTH,
  UDP_LENGTH,
} from "./ip.ts";
import { hasSameIpHeader } from "./ip_header.ts";
import { OpenBatch } from "./open_batch.ts";

/** UDP_MAX_SEGMENTS of older kernels. */
const PACKETS_MAX = 64;

export class UdpCoalescer extends OpenBatch {
  /** Whether packets may be fragmented, so that their numbers have to follow each other. */
  #isNumbered = false;

  /**
   * Opens a batch with the whole UDP packet at offset `packet` of `view`, UDP header at `transport`,
   * end at `end`, the sum of the pseudo-header in its checksum field.
   * @returns false when it cannot be coalesced (IPv4 options, a fragment, no payload).
   */
  start(view: DataView, packet: number, transport: number, end: number): boolean {
    const payloadLength = end - transport - UDP_HEADER_LENGTH;
    if (payloadLength <= 0) return false;
    const isIpv4 = view.getUint8(packet) >>> 4 === 4;
    const distance = transport - packet;
    if (distance !== (isIpv4 ? IPV4_HEADER_LENGTH : IPV6_HEADER_LENGTH)) return false;
    const fragment = isIpv4 ? view.getUint16(packet + IPV4_FRAGMENT) : IPV4_DONT_FRAGMENT;
    if ((fragment & ~IPV4_DONT_FRAGMENT) !== 0) return false;
    this.#isNumbered = fragment === 0;
    if (view.getUint16(transport + UDP_LENGTH) !== end - transport) return false;
    this.open(view, packet, isIpv4, distance, distance + UDP_HEADER_LENGTH, payloadLength);
    this.isClosed = false;
    return true;
  }

  /** Adds the packet at `packet` when it belongs to the open batch; false when it does not. */
  append(view: DataView, packet: number, transport: number, end: number): boolean {
    if (this.count === 0 || this.isClosed || this.count >= PACKETS_MAX) return false;
    if (transport - packet !== this.transportDistance) return false;
    const payloadLength = end - transport - UDP_HEADER_LENGTH;
    const head = this.view;
    const first = this.offset;
    if (
      payloadLength <= 0 || payloadLength > this.segmentSize ||
      this.headersLength + this.payloadLength + payloadLength > PACKET_BYTES_MAX ||
      view.getUint16(transport + UDP_LENGTH) !== end - transport ||
      view.getInt32(transport) !== head.getInt32(first + this.transportDistance) || // ports
      !hasSameIpHeader(view, packet, head, first, this.isIpv4) ||
      this.#isNumbered && !this.#isNextNumber(view, packet)
    ) return false;
    this.count++;
    this.payloadLength += payloadLength;
    this.isClosed = payloadLength < this.segmentSize;
    return true;
  }

  #isNextNumber(view: DataView, packet: number): boolean {
    const first = this.view.getUint16(this.offset + IPV4_IDENTIFICATION);
    return view.getUint16(packet + IPV4_IDENTIFICATION) === ((first + this.count) & 0xffff);
  }

  /**
   * Ends the batch: the headers at `offset` now describe all of it, the checksum field holding the
   * sum of the pseudo-header. The caller reads the public fields before it opens the next batch.
   */
  finish(): void {
    const view = this.view;
    const packet = this.offset;
    const udpLength = UDP_HEADER_LENGTH + this.payloadLength;
    if (this.count > 1) {
      const transport = packet + this.transportDistance;
      view.setUint16(transport + UDP_LENGTH, udpLength);
      if (this.isIpv4) {
        view.setUint16(packet + IPV4_TOTAL_LENGTH, this.transportDistance + udpLength);
        writeIpv4Checksum(view, packet);
      } else {
        view.setUint16(packet + IPV6_PAYLOAD_LENGTH, udpLength);
      }
      const sum = sumPseudoHeader(view, packet, PROTOCOL_UDP) + udpLength;
      view.setUint16(transport + UDP_CHECKSUM, fold(sum));
    }
    this.count = 0;
  }
}
