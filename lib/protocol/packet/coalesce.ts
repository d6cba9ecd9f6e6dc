/**
 * Coalescing: TCP packets that follow each other in one flow leave as one super-packet, so that the
 * kernel handles 64 KiB at once. The reverse of `segment.ts`, with the rules of Linux GRO
 * (net/ipv4/tcp_offload.c): same headers, next sequence number, only ACK and PSH set.
 *
 * Only packets whose checksum field holds the pseudo-header sum are coalesced. Their payload needs no
 * checksum, since it came in an authenticated record.
 */
import { fold, sumPseudoHeader, writeIpv4Checksum } from "./checksum.ts";
import { hasSameIpHeader } from "./ip_header.ts";
import {
  IPV4_HEADER_LENGTH,
  IPV4_TOTAL_LENGTH,
  IPV6_HEADER_LENGTH,
  IPV6_PAYLOAD_LENGTH,
  PACKET_BYTES_MAX,
  PROTOCOL_TCP,
  TCP_ACKNOWLEDGEMENT,
  TCP_CHECKSUM,
  TCP_DATA_OFFSET,
  TCP_FLAG_ACK,
  TCP_FLAG_PSH,
  TCP_FLAGS,
  TCP_HEADER_LENGTH_MIN,
  TCP_SEQUENCE,
} from "./ip.ts";
import { OpenBatch } from "./open_batch.ts";

/** Data offset, flags and window, as one word. */
const TCP_OFFSET_FLAGS_WINDOW = 12;
const PSH_IN_WORD = TCP_FLAG_PSH << 16;

export class TcpCoalescer extends OpenBatch {
  #nextSequence = 0;

  /**
   * Opens a batch with the whole TCP packet at offset `packet` of `view`, TCP header at `transport`,
   * end at `end`.
   * @returns false when it cannot be coalesced (IPv4 options, other flags, no payload).
   */
  start(view: DataView, packet: number, transport: number, end: number): boolean {
    if (transport + TCP_HEADER_LENGTH_MIN > end) return false;
    const isIpv4 = view.getUint8(packet) >>> 4 === 4;
    if (transport - packet !== (isIpv4 ? IPV4_HEADER_LENGTH : IPV6_HEADER_LENGTH)) return false;
    const tcpLength = (view.getUint8(transport + TCP_DATA_OFFSET) >>> 4) * 4;
    const payloadLength = end - transport - tcpLength;
    const flags = view.getUint8(transport + TCP_FLAGS);
    if (
      tcpLength < TCP_HEADER_LENGTH_MIN || payloadLength <= 0 ||
      (flags & ~TCP_FLAG_PSH) !== TCP_FLAG_ACK
    ) return false;
    const distance = transport - packet;
    this.open(view, packet, isIpv4, distance, distance + tcpLength, payloadLength);
    this.#nextSequence = (view.getUint32(transport + TCP_SEQUENCE) + payloadLength) >>> 0;
    this.isClosed = (flags & TCP_FLAG_PSH) !== 0;
    return true;
  }

  /** Adds the packet at `packet` when it continues the open batch; false when it does not. */
  append(view: DataView, packet: number, transport: number, end: number): boolean {
    if (this.count === 0 || this.isClosed) return false;
    if (transport - packet !== this.transportDistance) return false;
    const payloadLength = end - packet - this.headersLength;
    if (
      payloadLength <= 0 || payloadLength > this.segmentSize ||
      this.headersLength + this.payloadLength + payloadLength > PACKET_BYTES_MAX ||
      !this.#sameHeaders(view, packet, transport)
    ) return false;
    const flags = view.getUint8(transport + TCP_FLAGS);
    this.count++;
    this.payloadLength += payloadLength;
    this.#nextSequence = (this.#nextSequence + payloadLength) >>> 0;
    this.isClosed = payloadLength < this.segmentSize || (flags & TCP_FLAG_PSH) !== 0;
    if ((flags & TCP_FLAG_PSH) !== 0) {
      const first = this.offset + this.transportDistance + TCP_FLAGS;
      this.view.setUint8(first, this.view.getUint8(first) | TCP_FLAG_PSH);
    }
    return true;
  }

  /**
   * Ends the batch: the headers at `offset` now describe all of it, the checksum field holding the
   * sum of the pseudo-header. The caller reads the public fields before it opens the next batch.
   * @returns the length of the whole super-packet, in bytes.
   */
  finish(): number {
    const view = this.view;
    const length = this.headersLength + this.payloadLength;
    const packet = this.offset;
    if (this.count > 1) {
      if (this.isIpv4) {
        view.setUint16(packet + IPV4_TOTAL_LENGTH, length);
        writeIpv4Checksum(view, packet);
      } else {
        view.setUint16(packet + IPV6_PAYLOAD_LENGTH, length - IPV6_HEADER_LENGTH);
      }
      const sum = sumPseudoHeader(view, packet, PROTOCOL_TCP) + length - this.transportDistance;
      view.setUint16(packet + this.transportDistance + TCP_CHECKSUM, fold(sum));
    }
    this.count = 0;
    return length;
  }

  #sameHeaders(view: DataView, packet: number, transport: number): boolean {
    const head = this.view;
    const first = this.offset;
    const firstTransport = first + this.transportDistance;
    if (
      view.getUint32(transport + TCP_SEQUENCE) !== this.#nextSequence ||
      view.getInt32(transport) !== head.getInt32(firstTransport) ||
      view.getInt32(transport + TCP_ACKNOWLEDGEMENT) !==
        head.getInt32(firstTransport + TCP_ACKNOWLEDGEMENT) ||
      ((view.getInt32(transport + TCP_OFFSET_FLAGS_WINDOW) ^
          head.getInt32(firstTransport + TCP_OFFSET_FLAGS_WINDOW)) & ~PSH_IN_WORD) !== 0
    ) return false;
    const headers = this.headersLength;
    for (let at = this.transportDistance + TCP_HEADER_LENGTH_MIN; at < headers; at += 4) {
      if (view.getInt32(packet + at) !== head.getInt32(first + at)) return false;
    }
    return hasSameIpHeader(view, packet, head, first, this.isIpv4);
  }
}
