/** The Internet checksum (RFC 1071) over packets that lie in a DataView. */
import { IPV4_CHECKSUM, IPV4_HEADER_LENGTH, IPV4_SOURCE, IPV6_SOURCE } from "./ip.ts";

/** Folds a sum of 16-bit words to 16 bits. `sum` must be below 2^47. */
export function fold(sum: number): number {
  sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  sum = (sum & 0xffff) + (sum >>> 16);
  return (sum & 0xffff) + (sum >>> 16);
}

/** The unfolded sum of the 16-bit words of `length` bytes; an odd last byte is padded with 0. */
export function sumBytes(view: DataView, offset: number, length: number): number {
  let sum = 0;
  let at = offset;
  for (const end = offset + (length & ~3); at < end; at += 4) sum += view.getUint32(at);
  // The words were added in pairs, so each high half stands 16 bits too far left.
  let folded = (sum % 0x10000) + Math.floor(sum / 0x10000);
  const rest = length & 3;
  if (rest >= 2) {
    folded += view.getUint16(at);
    at += 2;
  }
  if (rest & 1) folded += view.getUint8(at) << 8;
  return folded;
}

/** The sum of the pseudo-header without its length: addresses and protocol. */
export function sumPseudoHeader(view: DataView, packet: number, protocol: number): number {
  const isIpv4 = view.getUint8(packet) >>> 4 === 4;
  const addresses = isIpv4
    ? sumBytes(view, packet + IPV4_SOURCE, 8)
    : sumBytes(view, packet + IPV6_SOURCE, 32);
  return addresses + protocol;
}

/** Writes the checksum of the IPv4 header at `packet`, whose length is `headerLength` bytes. */
export function writeIpv4Checksum(
  view: DataView,
  packet: number,
  headerLength = IPV4_HEADER_LENGTH,
): void {
  view.setUint16(packet + IPV4_CHECKSUM, 0);
  view.setUint16(packet + IPV4_CHECKSUM, ~fold(sumBytes(view, packet, headerLength)) & 0xffff);
}

/**
 * Completes a checksum whose field holds the sum of the pseudo-header: sums from `start` to the end
 * of the packet and writes the result at `field`. Both are offsets into `view`.
 */
export function completeChecksum(view: DataView, start: number, end: number, field: number): void {
  const checksum = ~fold(sumBytes(view, start, end - start)) & 0xffff;
  // In UDP 0 means "none"; in TCP 0xffff is the same number in ones' complement.
  view.setUint16(field, checksum === 0 ? 0xffff : checksum);
}
