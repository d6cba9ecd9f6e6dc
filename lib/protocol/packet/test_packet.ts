/** For tests: packets put together field by field, and sums added up the plain way. */
import { PROTOCOL_TCP, PROTOCOL_UDP } from "./ip.ts";

export interface IpFields {
  readonly version: 4 | 6;
  readonly protocol: number;
  readonly payload: Uint8Array;
  readonly tos: number;
  readonly ttl: number;
  /** IPv4 only. */
  readonly identification: number;
  readonly fragment: number;
  /** IPv6 only: extension headers, and the number of the first. */
  readonly extensions: Uint8Array;
  readonly firstExtension: number;
  readonly source: readonly number[];
  readonly destination: readonly number[];
}

export interface TcpFields extends IpFields {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: number;
  readonly window: number;
  readonly urgent: number;
  /** A multiple of 4 bytes, at most 40. */
  readonly options: Uint8Array;
}

const NO_BYTES = new Uint8Array();

export function ipPacket(fields: Partial<IpFields>): Uint8Array<ArrayBuffer> {
  const { version = 4, protocol = PROTOCOL_TCP, payload = NO_BYTES, tos = 0, ttl = 64 } = fields;
  const { identification = 0, fragment = 0x4000, extensions = NO_BYTES } = fields;
  const headerLength = version === 4 ? 20 : 40 + extensions.length;
  const bytes = new Uint8Array(headerLength + payload.length);
  const view = new DataView(bytes.buffer);
  bytes.set(payload, headerLength);
  if (version === 4) {
    const { source = [10, 8, 0, 2], destination = [10, 8, 0, 1] } = fields;
    view.setUint16(0, 0x4500 | tos);
    view.setUint16(2, bytes.length);
    view.setUint16(4, identification);
    view.setUint16(6, fragment);
    view.setUint16(8, (ttl << 8) | protocol);
    bytes.set(source, 12);
    bytes.set(destination, 16);
    view.setUint16(10, naiveChecksum(bytes.subarray(0, 20)));
  } else {
    const { source = ipv6(2), destination = ipv6(1) } = fields;
    view.setUint32(0, 0x60000000 | (tos << 20));
    view.setUint16(4, bytes.length - 40);
    bytes[6] = extensions.length > 0 ? fields.firstExtension ?? 0 : protocol;
    bytes[7] = ttl;
    bytes.set(source, 8);
    bytes.set(destination, 24);
    bytes.set(extensions, 40);
  }
  return bytes;
}

/** A TCP packet whose checksums are right. */
export function tcpPacket(fields: Partial<TcpFields>): Uint8Array<ArrayBuffer> {
  const { options = NO_BYTES, payload = NO_BYTES } = fields;
  const segment = new Uint8Array(20 + options.length + payload.length);
  const view = new DataView(segment.buffer);
  view.setUint16(0, fields.sourcePort ?? 40000);
  view.setUint16(2, fields.destinationPort ?? 443);
  view.setUint32(4, fields.sequence ?? 1000);
  view.setUint32(8, fields.acknowledgement ?? 2000);
  view.setUint16(12, ((5 + options.length / 4) << 12) | (fields.flags ?? 0x10));
  view.setUint16(14, fields.window ?? 512);
  view.setUint16(18, fields.urgent ?? 0);
  segment.set(options, 20);
  segment.set(payload, 20 + options.length);
  const packet = ipPacket({ ...fields, protocol: PROTOCOL_TCP, payload: segment });
  const transport = packet.length - segment.length;
  new DataView(packet.buffer).setUint16(transport + 16, transportChecksum(packet, transport));
  return packet;
}

interface UdpFields extends IpFields {
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** A UDP packet whose checksum field holds the sum of the pseudo-header, as kernels leave it. */
export function partialUdpPacket(
  data: Uint8Array,
  fields: Partial<UdpFields> = {},
): Uint8Array<ArrayBuffer> {
  const { version = 4, sourcePort = 4000, destinationPort = 443 } = fields;
  const payload = new Uint8Array(8 + data.length);
  const header = new DataView(payload.buffer);
  header.setUint16(0, sourcePort);
  header.setUint16(2, destinationPort);
  header.setUint16(4, payload.length);
  payload.set(data, 8);
  const packet = ipPacket({ ...fields, protocol: PROTOCOL_UDP, payload });
  const transport = version === 4 ? 20 : 40;
  const addresses = pseudoPacket(packet, transport).subarray(0, -payload.length);
  new DataView(packet.buffer).setUint16(transport + 6, 0xffff - naiveChecksum(addresses));
  return packet;
}

/** The checksum its TCP or UDP header, at `transport`, ought to have; the field must be 0. */
function transportChecksum(packet: Uint8Array, transport: number): number {
  return naiveChecksum(pseudoPacket(packet, transport));
}

/** Whether both the IPv4 header and the TCP or UDP header at `transport` sum up. */
export function hasRightChecksums(packet: Uint8Array, transport: number): boolean {
  const isIpv4 = packet[0]! >> 4 === 4;
  return (!isIpv4 || naiveChecksum(packet.subarray(0, (packet[0]! & 0xf) * 4)) === 0) &&
    naiveChecksum(pseudoPacket(packet, transport)) === 0;
}

/** RFC 1071, two bytes at a time. */
export function naiveChecksum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) {
    sum += (bytes[at]! << 8) | (bytes[at + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return 0xffff - sum;
}

/** fd00:8::`host`. */
export function ipv6(host: number): number[] {
  return [0xfd, 0, 0, 8, ...Array(11).fill(0), host];
}

/** Pseudo-header (RFC 9293, 3.1; RFC 8200, 8.1) and what it stands before. */
function pseudoPacket(packet: Uint8Array, transport: number): Uint8Array {
  const isIpv4 = packet[0]! >> 4 === 4;
  const addresses = isIpv4 ? packet.subarray(12, 20) : packet.subarray(8, 40);
  const length = packet.length - transport;
  // Behind extension headers of IPv6 the tests have TCP.
  const next = packet[6] === PROTOCOL_UDP ? PROTOCOL_UDP : PROTOCOL_TCP;
  const protocol = isIpv4 ? packet[9]! : next;
  return new Uint8Array([
    ...addresses,
    ...[length >> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff],
    ...[0, 0, 0, protocol],
    ...packet.subarray(transport),
  ]);
}
