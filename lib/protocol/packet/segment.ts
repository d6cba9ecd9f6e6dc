/**
 * TCP and UDP segmentation: a super-packet of up to 64 KiB, as the kernel hands it over, becomes
 * packets of the flow's segment size without moving its payload.
 *
 * The headers of segment k are written over the tail of segment k-1, so a segment must have been
 * sealed or copied before the next one is asked for.
 *
 *     | headers | payload 0 | payload 1 | payload 2 |       super-packet
 *     | headers | payload 0 |                               segment 0
 *               | headers | payload 1 |                     segment 1, its headers over payload 0
 */
import { fold, sumBytes, sumPseudoHeader } from "./checksum.ts";
import {
  IPV4_CHECKSUM,
  IPV4_IDENTIFICATION,
  IPV4_TOTAL_LENGTH,
  IPV6_HEADER_LENGTH,
  IPV6_PAYLOAD_LENGTH,
  PROTOCOL_TCP,
  TCP_CHECKSUM,
  TCP_DATA_OFFSET,
  TCP_FLAG_CWR,
  TCP_FLAG_FIN,
  TCP_FLAG_PSH,
  TCP_FLAGS,
  TCP_HEADER_LENGTH_MIN,
  TCP_SEQUENCE,
  UDP_CHECKSUM,
  UDP_HEADER_LENGTH,
  UDP_LENGTH,
} from "./ip.ts";

/** IPv6 with extension headers and a full TCP header; more than that is refused. */
const HEADERS_BYTES_MAX = 256;

export class Segmenter {
  /** Where the present segment starts and how long it is, headers included. */
  offset = 0;
  length = 0;

  readonly #view: DataView;
  readonly #headers = new Int32Array(HEADERS_BYTES_MAX / 4);
  #isIpv4 = false;
  #isTcp = true;
  #ipLength = 0;
  #headersLength = 0;
  #segmentSize = 0;
  #payloadEnd = 0;
  #payload = 0;
  #sequence = 0;
  #flags = 0;
  #identification = 0;
  #ipSum = 0;
  #pseudoSum = 0;
  #index = 0;

  /** @param view of the memory super-packets lie in. */
  constructor(view: DataView) {
    this.#view = view;
  }

  /**
   * Starts on the super-packet at `packet`, whose TCP or UDP header is at `transport` and whose last
   * byte is before `end`. `segmentSize` is the payload of each segment, in bytes.
   * @returns how many segments it makes, or 0 when the packet makes no sense.
   */
  begin(
    packet: number,
    transport: number,
    end: number,
    segmentSize: number,
    protocol = PROTOCOL_TCP,
  ): number {
    const view = this.#view;
    const isTcp = protocol === PROTOCOL_TCP;
    const leastLength = isTcp ? TCP_HEADER_LENGTH_MIN : UDP_HEADER_LENGTH;
    if (segmentSize === 0 || transport + leastLength > end) return 0;
    const headerLength = isTcp
      ? (view.getUint8(transport + TCP_DATA_OFFSET) >>> 4) * 4
      : UDP_HEADER_LENGTH;
    const headersLength = transport - packet + headerLength;
    const payload = packet + headersLength;
    if (headerLength < leastLength || payload > end || headersLength > HEADERS_BYTES_MAX) return 0;
    this.#isTcp = isTcp;
    this.#isIpv4 = view.getUint8(packet) >>> 4 === 4;
    this.#ipLength = transport - packet;
    this.#headersLength = headersLength;
    this.#segmentSize = segmentSize;
    this.#payload = payload;
    this.#payloadEnd = end;
    if (isTcp) {
      this.#sequence = view.getUint32(transport + TCP_SEQUENCE);
      this.#flags = view.getUint8(transport + TCP_FLAGS);
    }
    this.#pseudoSum = sumPseudoHeader(view, packet, protocol);
    if (this.#isIpv4) {
      this.#identification = view.getUint16(packet + IPV4_IDENTIFICATION);
      view.setUint16(packet + IPV4_CHECKSUM, 0);
      view.setUint16(packet + IPV4_TOTAL_LENGTH, 0);
      view.setUint16(packet + IPV4_IDENTIFICATION, 0);
      this.#ipSum = sumBytes(view, packet, this.#ipLength);
    }
    // Words in a loop: headers come in multiples of 4, and a subarray for set() is an allocation.
    for (let at = 0; at < headersLength; at += 4) {
      this.#headers[at >>> 2] = view.getInt32(packet + at);
    }
    this.#index = 0;
    return Math.max(1, Math.ceil((end - payload) / segmentSize));
  }

  /**
   * Makes the next segment, with the sum of the pseudo-header in its checksum field.
   * @returns false when there is none left.
   */
  next(): boolean {
    const start = this.#payload;
    if (start >= this.#payloadEnd && this.#index > 0) return false;
    const end = Math.min(start + this.#segmentSize, this.#payloadEnd);
    const packet = start - this.#headersLength;
    this.offset = packet;
    this.length = end - packet;
    const view = this.#view;
    const headers = this.#headers;
    const headersLength = this.#headersLength;
    for (let at = 0; at < headersLength; at += 4) view.setInt32(packet + at, headers[at >>> 2]!);
    this.#writeIp(packet);
    if (this.#isTcp) this.#writeTcp(packet + this.#ipLength, end === this.#payloadEnd);
    else this.#writeUdp(packet + this.#ipLength);
    this.#payload = end;
    this.#index++;
    return true;
  }

  #writeIp(packet: number): void {
    const view = this.#view;
    if (!this.#isIpv4) {
      view.setUint16(packet + IPV6_PAYLOAD_LENGTH, this.length - IPV6_HEADER_LENGTH);
      return;
    }
    const identification = (this.#identification + this.#index) & 0xffff;
    view.setUint16(packet + IPV4_TOTAL_LENGTH, this.length);
    view.setUint16(packet + IPV4_IDENTIFICATION, identification);
    const sum = fold(this.#ipSum + this.length + identification);
    view.setUint16(packet + IPV4_CHECKSUM, ~sum & 0xffff);
  }

  #writeTcp(transport: number, isLast: boolean): void {
    const view = this.#view;
    const sequence = this.#sequence + this.#index * this.#segmentSize;
    view.setUint32(transport + TCP_SEQUENCE, sequence);
    let flags = this.#flags;
    if (!isLast) flags &= ~(TCP_FLAG_FIN | TCP_FLAG_PSH);
    if (this.#index > 0) flags &= ~TCP_FLAG_CWR;
    view.setUint8(transport + TCP_FLAGS, flags);
    const tcpLength = this.length - this.#ipLength;
    view.setUint16(transport + TCP_CHECKSUM, fold(this.#pseudoSum + tcpLength));
  }

  #writeUdp(transport: number): void {
    const view = this.#view;
    const udpLength = this.length - this.#ipLength;
    view.setUint16(transport + UDP_LENGTH, udpLength);
    view.setUint16(transport + UDP_CHECKSUM, fold(this.#pseudoSum + udpLength));
  }
}
