/**
 * The answer to a packet that is too big for the way it has to go: "fragmentation needed" of ICMP
 * (type 3, code 4; RFC 792 and 1191) and "packet too big" of ICMPv6 (type 2; RFC 4443, 3.2).
 *
 *     0      1      2          4           6         8
 *     | type | code | checksum | unused    | MTU     | the packet, as much as fits ...   ICMP
 *     | type | code | checksum | MTU (u32)           | the packet, as much as fits ...   ICMPv6
 */
import { fold, sumBytes, sumPseudoHeader, writeIpv4Checksum } from "./checksum.ts";
import {
  IPV4_CHECKSUM,
  IPV4_DESTINATION,
  IPV4_DONT_FRAGMENT,
  IPV4_FRAGMENT,
  IPV4_FRAGMENT_OFFSET,
  IPV4_HEADER_LENGTH,
  IPV4_IDENTIFICATION,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  IPV4_TIME_TO_LIVE,
  IPV4_TOTAL_LENGTH,
  IPV6_DESTINATION,
  IPV6_HEADER_LENGTH,
  IPV6_HOP_LIMIT,
  IPV6_MTU_MIN,
  IPV6_NEXT_HEADER,
  IPV6_PAYLOAD_LENGTH,
  IPV6_SOURCE,
  PROTOCOL_ICMP,
  PROTOCOL_ICMP6,
} from "./ip.ts";

/** No answer may be sent, or none would help: the packet is to be dropped. */
export const TOO_BIG_SILENT = 0;
/** The packet is to be fragmented (see Ipv4Fragments), not answered. */
export const TOO_BIG_FRAGMENT = -1;

/** RFC 1812, 4.3.2.3: as much of the packet as the answer has room for in 576 bytes. */
const ICMP_PACKET_MAX = 576;
/** Room an answer needs at most, in bytes. */
export const TOO_BIG_LENGTH_MAX = IPV6_MTU_MIN;

/** RFC 792: the header and 8 bytes behind it. */
const QUOTE_MIN = 8;
const ICMP_HEADER_LENGTH = 8;
const ICMP_CHECKSUM = 2;
const ICMP_UNREACHABLE = 3;
const ICMP_FRAGMENTATION_NEEDED = 4;
const ICMP_MTU = 6;
const ICMP6_PACKET_TOO_BIG = 2;
const ICMP6_MTU = 4;
const TIME_TO_LIVE = 64;
/** RFC 1812, 4.3.2.5: precedence "internetwork control". */
const TOS_INTERNETWORK_CONTROL = 0xc0;

const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const AUTHENTICATION = 51;
const DESTINATION_OPTIONS = 60;
const EXTENSIONS_MAX = 8;

/** The addresses an answer comes from, as `ipv4Word` and `ipv6Words` read them. */
export interface RouterAddress {
  readonly ipv4: number;
  /** Null: this tunnel carries no IPv6. */
  readonly ipv6: readonly [number, number, number, number] | null;
}

/**
 * Answers the packet of `length` bytes at `packet`, of which `mtu` bytes would fit: writes an IP
 * packet to `target` at `at`, where TOO_BIG_LENGTH_MAX bytes must be free, other memory than the
 * packet's. Nothing is answered to an ICMP error, a fragment other than the first, and addresses
 * that do not stand for one host (RFC 1122, 3.2.2; RFC 4443, 2.4).
 * @returns the length of the answer, TOO_BIG_SILENT or TOO_BIG_FRAGMENT.
 */
export function writeTooBig(
  view: DataView,
  packet: number,
  length: number,
  mtu: number,
  router: RouterAddress,
  target: DataView,
  at: number,
): number {
  if (length < IPV4_HEADER_LENGTH) return TOO_BIG_SILENT;
  switch (view.getUint8(packet) >>> 4) {
    case 4:
      return answerIpv4(view, packet, length, mtu, router.ipv4, target, at);
    case 6:
      if (router.ipv6 === null) return TOO_BIG_SILENT;
      return answerIpv6(view, packet, length, mtu, router.ipv6, target, at);
    default:
      return TOO_BIG_SILENT;
  }
}

function answerIpv4(
  view: DataView,
  packet: number,
  length: number,
  mtu: number,
  router: number,
  target: DataView,
  at: number,
): number {
  const headerLength = (view.getUint8(packet) & 0xf) * 4;
  const total = view.getUint16(packet + IPV4_TOTAL_LENGTH);
  if (headerLength < IPV4_HEADER_LENGTH || total < headerLength || total > length) {
    return TOO_BIG_SILENT;
  }
  if (total <= mtu) return TOO_BIG_SILENT;
  const fragment = view.getUint16(packet + IPV4_FRAGMENT);
  if ((fragment & IPV4_DONT_FRAGMENT) === 0) return TOO_BIG_FRAGMENT;
  if ((fragment & IPV4_FRAGMENT_OFFSET) !== 0) return TOO_BIG_SILENT;
  if (total < headerLength + QUOTE_MIN) return TOO_BIG_SILENT;
  if (!isOneHost4(view.getUint32(packet + IPV4_SOURCE))) return TOO_BIG_SILENT;
  if (view.getUint32(packet + IPV4_DESTINATION) >= 0xe0000000) return TOO_BIG_SILENT;
  if (
    view.getUint8(packet + IPV4_PROTOCOL) === PROTOCOL_ICMP &&
    isIcmpError(view.getUint8(packet + headerLength))
  ) return TOO_BIG_SILENT;

  const icmp = at + IPV4_HEADER_LENGTH;
  const quoted = Math.min(total, ICMP_PACKET_MAX - IPV4_HEADER_LENGTH - ICMP_HEADER_LENGTH);
  const answerLength = IPV4_HEADER_LENGTH + ICMP_HEADER_LENGTH + quoted;
  target.setUint16(at, 0x4500 | TOS_INTERNETWORK_CONTROL);
  target.setUint16(at + IPV4_TOTAL_LENGTH, answerLength);
  target.setUint16(at + IPV4_IDENTIFICATION, 0);
  target.setUint16(at + IPV4_FRAGMENT, IPV4_DONT_FRAGMENT);
  target.setUint8(at + IPV4_TIME_TO_LIVE, TIME_TO_LIVE);
  target.setUint8(at + IPV4_PROTOCOL, PROTOCOL_ICMP);
  target.setInt32(at + IPV4_SOURCE, router);
  target.setInt32(at + IPV4_DESTINATION, view.getInt32(packet + IPV4_SOURCE));
  target.setUint16(at + IPV4_CHECKSUM, 0);
  writeIpv4Checksum(target, at);

  target.setUint8(icmp, ICMP_UNREACHABLE);
  target.setUint8(icmp + 1, ICMP_FRAGMENTATION_NEEDED);
  target.setUint16(icmp + ICMP_CHECKSUM, 0);
  target.setUint16(icmp + ICMP_CHECKSUM + 2, 0);
  target.setUint16(icmp + ICMP_MTU, mtu);
  copy(view, packet, target, icmp + ICMP_HEADER_LENGTH, quoted);
  const sum = sumBytes(target, icmp, ICMP_HEADER_LENGTH + quoted);
  target.setUint16(icmp + ICMP_CHECKSUM, ~fold(sum) & 0xffff);
  return answerLength;
}

function answerIpv6(
  view: DataView,
  packet: number,
  length: number,
  mtu: number,
  router: readonly [number, number, number, number],
  target: DataView,
  at: number,
): number {
  if (length < IPV6_HEADER_LENGTH) return TOO_BIG_SILENT;
  const total = IPV6_HEADER_LENGTH + view.getUint16(packet + IPV6_PAYLOAD_LENGTH);
  // No host goes below the minimum (RFC 8201, 4), so that saying less would stop its packets.
  const saidMtu = Math.max(mtu, IPV6_MTU_MIN);
  if (total > length || total <= saidMtu) return TOO_BIG_SILENT;
  if (!isOneHost6(view, packet + IPV6_SOURCE)) return TOO_BIG_SILENT;
  if (!mayAnswerIpv6(view, packet, packet + total)) return TOO_BIG_SILENT;

  const icmp = at + IPV6_HEADER_LENGTH;
  const quoted = Math.min(total, IPV6_MTU_MIN - IPV6_HEADER_LENGTH - ICMP_HEADER_LENGTH);
  const icmpLength = ICMP_HEADER_LENGTH + quoted;
  target.setUint32(at, 0x60000000);
  target.setUint16(at + IPV6_PAYLOAD_LENGTH, icmpLength);
  target.setUint8(at + IPV6_NEXT_HEADER, PROTOCOL_ICMP6);
  target.setUint8(at + IPV6_HOP_LIMIT, TIME_TO_LIVE);
  for (let word = 0; word < 4; word++) {
    target.setInt32(at + IPV6_SOURCE + 4 * word, router[word]!);
  }
  copy(view, packet + IPV6_SOURCE, target, at + IPV6_DESTINATION, 16);

  target.setUint8(icmp, ICMP6_PACKET_TOO_BIG);
  target.setUint8(icmp + 1, 0);
  target.setUint16(icmp + ICMP_CHECKSUM, 0);
  target.setUint32(icmp + ICMP6_MTU, saidMtu);
  copy(view, packet, target, icmp + ICMP_HEADER_LENGTH, quoted);
  const sum = sumPseudoHeader(target, at, PROTOCOL_ICMP6) + icmpLength +
    sumBytes(target, icmp, icmpLength);
  target.setUint16(icmp + ICMP_CHECKSUM, ~fold(sum) & 0xffff);
  return IPV6_HEADER_LENGTH + icmpLength;
}

/** Destination unreachable, source quench, redirect, time exceeded, parameter problem. */
function isIcmpError(type: number): boolean {
  return type === 3 || type === 4 || type === 5 || type === 11 || type === 12;
}

/** Not 0.0.0.0/8, 127.0.0.0/8, multicast, reserved or broadcast. */
function isOneHost4(address: number): boolean {
  const network = address >>> 24;
  return network !== 0 && network !== 127 && network < 224;
}

/** Not ::, ::1 or multicast. */
function isOneHost6(view: DataView, address: number): boolean {
  if (view.getUint8(address) === 0xff) return false;
  const high = view.getUint32(address) | view.getUint32(address + 4) | view.getUint32(address + 8);
  return high !== 0 || view.getUint32(address + 12) > 1;
}

/** False for an ICMPv6 error, a fragment other than the first, and headers nobody understands. */
function mayAnswerIpv6(view: DataView, packet: number, end: number): boolean {
  let next = view.getUint8(packet + IPV6_NEXT_HEADER);
  let at = packet + IPV6_HEADER_LENGTH;
  for (let count = 0; count <= EXTENSIONS_MAX; count++) {
    if (at + 8 > end) return false;
    switch (next) {
      case HOP_BY_HOP:
      case ROUTING:
      case DESTINATION_OPTIONS:
        next = view.getUint8(at);
        at += 8 + 8 * view.getUint8(at + 1);
        break;
      case AUTHENTICATION:
        next = view.getUint8(at);
        at += 8 + 4 * view.getUint8(at + 1);
        break;
      case FRAGMENT:
        if (view.getUint16(at + 2) >>> 3 !== 0) return false;
        next = view.getUint8(at);
        at += 8;
        break;
      case PROTOCOL_ICMP6: {
        // Types below 128 are errors; 137 is a redirect, which is never answered either.
        const type = view.getUint8(at);
        return type >= 128 && type !== 137;
      }
      default:
        return true;
    }
  }
  return false;
}

function copy(from: DataView, at: number, to: DataView, target: number, length: number): void {
  let i = 0;
  for (; i + 4 <= length; i += 4) to.setInt32(target + i, from.getInt32(at + i));
  for (; i < length; i++) to.setUint8(target + i, from.getUint8(at + i));
}
