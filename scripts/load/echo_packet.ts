/** ICMP echo requests as a host behind a client would send them, and the answers to them. */
import {
  IPV4_DESTINATION,
  IPV4_HEADER_LENGTH,
  IPV4_SOURCE,
  IPV4_TOTAL_LENGTH,
  PROTOCOL_ICMP,
} from "../../lib/protocol/packet/ip.ts";
import { ipv4Word } from "../../lib/protocol/packet/inner_address.ts";

const ICMP_ECHO = 8;
const ICMP_ECHO_REPLY = 0;
const TTL = 64;
const OFFSET_TTL = 8;
const OFFSET_PROTOCOL = 9;
const OFFSET_HEADER_CHECKSUM = 10;
const OFFSET_ICMP_CHECKSUM = IPV4_HEADER_LENGTH + 2;
const OFFSET_IDENTIFIER = IPV4_HEADER_LENGTH + 4;
const OFFSET_SEQUENCE = IPV4_HEADER_LENGTH + 6;
/** When it was sent, as a float64 of milliseconds; zeros follow. */
const OFFSET_SENT_AT = IPV4_HEADER_LENGTH + 8;
export const ECHO_BYTES_MIN = OFFSET_SENT_AT + 8;

/** Writes a request of `length` bytes at `offset`, where the rest is zeros already. */
export function writeEchoRequest(
  view: DataView,
  offset: number,
  length: number,
  from: string,
  to: string,
  sequence: number,
  now: number,
): void {
  view.setUint32(offset, 0x45000000);
  view.setUint16(offset + IPV4_TOTAL_LENGTH, length);
  view.setUint32(offset + 4, 0);
  view.setUint8(offset + OFFSET_TTL, TTL);
  view.setUint8(offset + OFFSET_PROTOCOL, PROTOCOL_ICMP);
  view.setUint16(offset + OFFSET_HEADER_CHECKSUM, 0);
  view.setInt32(offset + IPV4_SOURCE, ipv4Word(from));
  view.setInt32(offset + IPV4_DESTINATION, ipv4Word(to));
  const headerChecksum = checksum(view, offset, IPV4_HEADER_LENGTH);
  view.setUint16(offset + OFFSET_HEADER_CHECKSUM, headerChecksum);
  view.setUint16(offset + IPV4_HEADER_LENGTH, ICMP_ECHO << 8);
  view.setUint16(offset + OFFSET_ICMP_CHECKSUM, 0);
  view.setUint16(offset + OFFSET_IDENTIFIER, 1);
  view.setUint16(offset + OFFSET_SEQUENCE, sequence & 0xffff);
  view.setFloat64(offset + OFFSET_SENT_AT, now);
  // What follows is zeros, which add nothing.
  const icmp = offset + IPV4_HEADER_LENGTH;
  const icmpChecksum = checksum(view, icmp, ECHO_BYTES_MIN - IPV4_HEADER_LENGTH);
  view.setUint16(offset + OFFSET_ICMP_CHECKSUM, icmpChecksum);
}

/** When the request was sent that the packet of `length` bytes answers; null: it is no answer. */
export function readEchoReply(view: DataView, offset: number, length: number): number | null {
  if (length < ECHO_BYTES_MIN || view.getUint8(offset + OFFSET_PROTOCOL) !== PROTOCOL_ICMP) {
    return null;
  }
  if (view.getUint8(offset + IPV4_HEADER_LENGTH) !== ICMP_ECHO_REPLY) return null;
  return view.getFloat64(offset + OFFSET_SENT_AT);
}

/** RFC 1071. @param length even. */
function checksum(view: DataView, offset: number, length: number): number {
  let sum = 0;
  for (let at = 0; at < length; at += 2) sum += view.getUint16(offset + at);
  while (sum > 0xffff) sum = (sum >>> 16) + (sum & 0xffff);
  return ~sum & 0xffff;
}
