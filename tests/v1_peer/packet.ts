/** IPv4 and IPv6 packets of the peer's own: parsed with every checksum verified, and built. */
import { Buffer } from "node:buffer";
import { isIPv6 } from "node:net";

export const ICMP = 1;
export const TCP = 6;
export const UDP = 17;
export const ICMPV6 = 58;

export interface IpPacket {
  version: 4 | 6;
  source: Uint8Array;
  destination: Uint8Array;
  /** ICMP and ICMPv6 as such; the last header of IPv6. */
  protocol: number;
  /** From the transport header on; of a fragment, whatever it carries. */
  payload: Uint8Array;
  isFragment: boolean;
}

/** Parses a packet, or says in words which field of it is wrong. */
export function parsePacket(bytes: Uint8Array): IpPacket | string {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4) return withTransportChecked(parseIpv4(bytes));
  if (version === 6) return withTransportChecked(parseIpv6(bytes));
  return `IP version ${version}`;
}

function parseIpv4(bytes: Uint8Array): IpPacket | string {
  const view = viewOf(bytes);
  const headerLength = (bytes[0]! & 15) * 4;
  if (headerLength < 20 || bytes.length < headerLength) return "IPv4 header length";
  if (view.getUint16(2) !== bytes.length) {
    return `IPv4 total length ${view.getUint16(2)} in ${bytes.length} bytes`;
  }
  if (sum(bytes.subarray(0, headerLength)) !== 0xffff) return "IPv4 header checksum";
  return {
    version: 4,
    source: bytes.subarray(12, 16),
    destination: bytes.subarray(16, 20),
    protocol: bytes[9]!,
    payload: bytes.subarray(headerLength),
    isFragment: (view.getUint16(6) & 0x3fff) !== 0,
  };
}

const HOP_BY_HOP = 0;
const FRAGMENT = 44;

function parseIpv6(bytes: Uint8Array): IpPacket | string {
  if (bytes.length < 40) return "IPv6 header length";
  const length = viewOf(bytes).getUint16(4) + 40;
  if (length !== bytes.length) return `IPv6 payload length ${length} in ${bytes.length} bytes`;
  let protocol = bytes[6]!;
  let at = 40;
  let isFragment = false;
  while (protocol === HOP_BY_HOP || protocol === FRAGMENT) {
    if (at + 8 > bytes.length) return "IPv6 extension header";
    isFragment ||= protocol === FRAGMENT;
    const extensionLength = protocol === FRAGMENT ? 8 : (bytes[at + 1]! + 1) * 8;
    protocol = bytes[at]!;
    at += extensionLength;
  }
  return {
    version: 6,
    source: bytes.subarray(8, 24),
    destination: bytes.subarray(24, 40),
    protocol,
    payload: bytes.subarray(at),
    isFragment,
  };
}

function withTransportChecked(packet: IpPacket | string): IpPacket | string {
  if (typeof packet === "string" || packet.isFragment) return packet;
  const { protocol, payload, version } = packet;
  const name = { [ICMP]: "ICMP", [TCP]: "TCP", [UDP]: "UDP", [ICMPV6]: "ICMPv6" }[protocol];
  if (name === undefined) return packet;
  if (payload.length < (protocol === TCP ? 20 : 8)) {
    return `${name} of ${payload.length} bytes`;
  }
  if (protocol === UDP) {
    const { length } = payload;
    if (viewOf(payload).getUint16(4) !== length) return "UDP length";
    if (viewOf(payload).getUint16(6) === 0) return version === 4 ? packet : "UDP checksum of 0";
  }
  const head = protocol === ICMP ? new Uint8Array(0) : pseudoHeader(packet);
  return sum(head, payload) === 0xffff ? packet : `${name} checksum`;
}

/** Builds a packet, and puts the checksum of ICMP, TCP and UDP into `payload`. */
export function buildPacket(
  { source, destination, protocol, payload }: Pick<
    IpPacket,
    "source" | "destination" | "protocol" | "payload"
  >,
): Uint8Array {
  const version = source.length === 4 ? 4 : 6;
  const packet = { version, source, destination, protocol, payload, isFragment: false } as const;
  const checksumAt = { [ICMP]: 2, [ICMPV6]: 2, [TCP]: 16, [UDP]: 6 }[protocol];
  if (checksumAt !== undefined) {
    const head = protocol === ICMP ? new Uint8Array(0) : pseudoHeader(packet);
    viewOf(payload).setUint16(checksumAt, 0);
    const checksum = ~sum(head, payload) & 0xffff;
    viewOf(payload).setUint16(checksumAt, protocol === UDP && checksum === 0 ? 0xffff : checksum);
  }
  const header = new Uint8Array(version === 4 ? 20 : 40);
  const view = viewOf(header);
  if (version === 4) {
    header[0] = 0x45;
    view.setUint16(2, 20 + payload.length);
    view.setUint16(6, 0x4000);
    header[8] = 64;
    header[9] = protocol;
    header.set(source, 12);
    header.set(destination, 16);
    view.setUint16(10, ~sum(header) & 0xffff);
  } else {
    header[0] = 0x60;
    view.setUint16(4, payload.length);
    header[6] = protocol;
    header[7] = 64;
    header.set(source, 8);
    header.set(destination, 24);
  }
  return Uint8Array.from(Buffer.concat([header, payload]));
}

/** The bytes of an address in text. */
export function addressBytes(text: string): Uint8Array {
  if (!isIPv6(text)) return Uint8Array.from(text.split(".").map(Number));
  const halves = text.split("::").map((half) => half === "" ? [] : half.split(":"));
  const [head = [], tail = []] = halves;
  const zeros = Array(8 - head.length - tail.length).fill("0");
  const words = [...head, ...zeros, ...tail].map((word) => parseInt(word, 16));
  return Uint8Array.from(words.flatMap((word) => [word >> 8, word & 0xff]));
}

/** Ones' complement sum of 16-bit words, each part padded to an even length. */
function sum(...parts: Uint8Array[]): number {
  let total = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) total += (part[i]! << 8) | (part[i + 1] ?? 0);
  }
  while (total > 0xffff) total = (total & 0xffff) + Math.floor(total / 0x10000);
  return total;
}

function pseudoHeader({ source, destination, protocol, payload }: IpPacket): Uint8Array {
  const head = new Uint8Array(2 * source.length + 8);
  head.set(source);
  head.set(destination, source.length);
  viewOf(head).setUint32(2 * source.length, payload.length);
  head[2 * source.length + 7] = protocol;
  return head;
}

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
