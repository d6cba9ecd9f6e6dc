/**
 * DSCP and ECN of tunnelled packets: the outer header takes over the class of the inner one (RFC 2983,
 * section 3), and congestion marks on the outer header are passed to the inner one (RFC 6040, section 4).
 *
 *     | DSCP, 6 bits | ECN, 2 bits |        TOS of IPv4, traffic class of IPv6
 */
import { fold } from "./checksum.ts";
import { IPV4_CHECKSUM } from "./ip.ts";

const ECN_MASK = 3;
const ECN_NOT_ECT = 0;
const ECN_ECT1 = 1;
export const ECN_CE = 3;
const DSCP_SHIFT = 2;
const DSCP_MASK = 0xfc;

/** Where the DSCP of outer datagrams comes from: the packet inside, nowhere, or a value of 0 to 63. */
export type DscpMode = "copy" | "off" | number;

/** Hot. The traffic class of the packet at offset `packet`. */
export function trafficClassOf(view: DataView, packet: number): number {
  const first = view.getUint16(packet);
  return first >>> 12 === 4 ? first & 0xff : (first >>> 4) & 0xff;
}

/**
 * Hot. The traffic class of the datagram around a packet of class `inner`.
 * @param carriesEcn whether the peer passes congestion on to the packet inside; else the datagram must
 * not be marked instead of dropped.
 */
export function outerTrafficClass(inner: number, mode: DscpMode, carriesEcn: boolean): number {
  const dscp = mode === "copy" ? inner & DSCP_MASK : mode === "off" ? 0 : mode << DSCP_SHIFT;
  return dscp | (carriesEcn ? inner & ECN_MASK : ECN_NOT_ECT);
}

/** The traffic class of control records. */
export function controlTrafficClass(mode: DscpMode): number {
  return typeof mode === "number" ? mode << DSCP_SHIFT : 0;
}

/**
 * Hot. Passes the ECN of the datagram, `outer`, on to the packet at offset `packet` that it carried.
 * Returns false when the packet must be dropped: it met congestion, and its sender knows no marks.
 */
export function passEcnOn(view: DataView, packet: number, outer: number): boolean {
  const ecn = outer & ECN_MASK;
  if (ecn !== ECN_CE && ecn !== ECN_ECT1) return true;
  const inner = trafficClassOf(view, packet);
  if ((inner & ECN_MASK) === ECN_NOT_ECT) return ecn !== ECN_CE;
  if ((inner & ECN_MASK) !== ECN_CE) setTrafficClass(view, packet, (inner & ~ECN_MASK) | ecn);
  return true;
}

function setTrafficClass(view: DataView, packet: number, value: number): void {
  const before = view.getUint16(packet);
  if (before >>> 12 !== 4) return view.setUint16(packet, (before & 0xf00f) | (value << 4));
  const after = (before & 0xff00) | value;
  view.setUint16(packet, after);
  // RFC 1624, equation 3.
  const sum = (~view.getUint16(packet + IPV4_CHECKSUM) & 0xffff) + (~before & 0xffff) + after;
  view.setUint16(packet + IPV4_CHECKSUM, ~fold(sum) & 0xffff);
}
