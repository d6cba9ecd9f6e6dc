/** IP headers as a whole. */
import { IPV4_DESTINATION, IPV4_SOURCE, IPV6_HEADER_LENGTH } from "./ip.ts";

/**
 * Hot. Whether two packets without IP options differ only in length, checksum and identification, so
 * that one header may stand for both.
 * @param head the memory of the other packet, which starts at `first`.
 */
export function hasSameIpHeader(
  view: DataView,
  packet: number,
  head: DataView,
  first: number,
  isIpv4: boolean,
): boolean {
  return isIpv4 ? isSameIpv4(view, packet, head, first) : isSameIpv6(view, packet, head, first);
}

function isSameIpv4(view: DataView, packet: number, head: DataView, first: number): boolean {
  return view.getInt16(packet) === head.getInt16(first) && // version, header length, DSCP, ECN
    view.getInt32(packet + 6) === head.getInt32(first + 6) && // fragment, TTL, protocol
    view.getInt32(packet + IPV4_SOURCE) === head.getInt32(first + IPV4_SOURCE) &&
    view.getInt32(packet + IPV4_DESTINATION) === head.getInt32(first + IPV4_DESTINATION);
}

function isSameIpv6(view: DataView, packet: number, head: DataView, first: number): boolean {
  if (
    view.getInt32(packet) !== head.getInt32(first) || // version, class, flow label
    view.getInt16(packet + 6) !== head.getInt16(first + 6) // next header, hop limit
  ) return false;
  for (let at = 8; at < IPV6_HEADER_LENGTH; at += 4) {
    if (view.getInt32(packet + at) !== head.getInt32(first + at)) return false;
  }
  return true;
}
