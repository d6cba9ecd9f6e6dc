/**
 * Which flow a packet belongs to: addresses, protocol and ports (the identifier for ICMP echo).
 * Fragments and other protocols are told apart by addresses and protocol alone, since a later
 * fragment has no ports and must take the path of the first.
 */
import {
  IPV4_DESTINATION,
  IPV4_HEADER_LENGTH,
  IPV4_SOURCE,
  IPV4_TOTAL_LENGTH,
  IPV6_DESTINATION,
  IPV6_HEADER_LENGTH,
  IPV6_PAYLOAD_LENGTH,
  IPV6_SOURCE,
  PROTOCOL_ICMP,
  PROTOCOL_ICMP6,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  TCP_ACKNOWLEDGEMENT,
  TCP_DATA_OFFSET,
  TCP_FLAG_ACK,
  TCP_FLAGS,
  TCP_HEADER_LENGTH_MIN,
  TCP_SEQUENCE,
} from "./ip.ts";

const NEXT_HOP_BY_HOP = 0;
const NEXT_ROUTING = 43;
const NEXT_FRAGMENT = 44;
const NEXT_AUTHENTICATION = 51;
const NEXT_DESTINATION_OPTIONS = 60;
/** Two NOPs and the option of timestamps, as Linux and most others send them (RFC 7323, A). */
const TCP_TIMESTAMPS = 0x0101080a;
const TCP_TIMESTAMPS_LENGTH = 12;
/** More extension headers than any sane packet has; the rest is then taken for the protocol. */
const EXTENSION_HEADERS_MAX = 8;

const ICMP_ECHO_REPLY = 0;
const ICMP_ECHO = 8;
const ICMP6_ECHO = 128;
const ICMP6_ECHO_REPLY = 129;

/** What {@link readFlowKey} found; one is reused for every packet. */
export class FlowKey {
  version: 4 | 6 = 4;
  protocol = 0;
  /** Offset of the transport header, or -1 for a fragment or an unknown protocol. */
  transport = -1;
  /** Offset behind the last byte of the packet. */
  end = 0;
  /** The addresses as four signed words; IPv4 uses the last. */
  source0 = 0;
  source1 = 0;
  source2 = 0;
  source3 = 0;
  destination0 = 0;
  destination1 = 0;
  destination2 = 0;
  destination3 = 0;
  /** Both ports, or the ICMP echo identifier, or 0. */
  ports = 0;
  /** Of TCP, where {@link readTcpSegment} was asked: the sequence number, and bytes of payload. */
  sequence = 0;
  payloadBytes = 0;
  /** Whether it only acknowledges what came in order, and up to where. */
  isPlainAck = false;
  acknowledgement = 0;
  /** Two independent hashes of all of the above, signed 32-bit. */
  hashA = 0;
  hashB = 0;
}

/** Hot. Whether the packet goes to a multicast group (RFC 1112; RFC 4291, 2.7). */
export function isMulticast({ version, destination0, destination3 }: FlowKey): boolean {
  return version === 4 ? destination3 >>> 28 === 0xe : destination0 >>> 24 === 0xff;
}

/**
 * Reads the flow of the IP packet at `offset`. Hot: allocates nothing.
 * @returns false when the `length` bytes are no whole IPv4 or IPv6 packet.
 */
export function readFlowKey(
  view: DataView,
  offset: number,
  length: number,
  key: FlowKey,
): boolean {
  if (!readPacketHeaders(view, offset, length, key)) return false;
  hash(key);
  return true;
}

/** As {@link readFlowKey}, but leaves the hashes as they are: for who looks nothing up. */
export function readPacketHeaders(
  view: DataView,
  offset: number,
  length: number,
  key: FlowKey,
): boolean {
  if (length < IPV4_HEADER_LENGTH) return false;
  const version = view.getUint8(offset) >>> 4;
  key.transport = -1;
  key.ports = 0;
  if (version === 4) {
    if (!readIpv4(view, offset, length, key)) return false;
  } else if (version === 6) {
    if (length < IPV6_HEADER_LENGTH || !readIpv6(view, offset, length, key)) return false;
  } else {
    return false;
  }
  if (key.transport >= 0) readPorts(view, key);
  return true;
}

/** Hot. Reads what is of TCP alone out of the packet that `key` was read from. */
export function readTcpSegment(view: DataView, key: FlowKey): void {
  key.sequence = key.payloadBytes = 0;
  key.isPlainAck = false;
  const { transport, protocol } = key;
  if (protocol !== PROTOCOL_TCP || transport < 0) return;
  const available = key.end - transport;
  if (available < TCP_HEADER_LENGTH_MIN) return;
  const headerLength = (view.getUint8(transport + TCP_DATA_OFFSET) >>> 4) * 4;
  key.sequence = view.getUint32(transport + TCP_SEQUENCE);
  key.payloadBytes = Math.max(0, available - headerLength);
  if (key.payloadBytes === 0) readAcknowledgement(view, key, headerLength);
}

function readAcknowledgement(view: DataView, key: FlowKey, headerLength: number): void {
  const { transport, end } = key;
  if (view.getUint8(transport + TCP_FLAGS) !== TCP_FLAG_ACK || transport + headerLength > end) {
    return;
  }
  const options = transport + TCP_HEADER_LENGTH_MIN;
  key.isPlainAck = headerLength === TCP_HEADER_LENGTH_MIN ||
    headerLength === TCP_HEADER_LENGTH_MIN + TCP_TIMESTAMPS_LENGTH &&
      view.getUint32(options) === TCP_TIMESTAMPS;
  key.acknowledgement = view.getUint32(transport + TCP_ACKNOWLEDGEMENT);
}

function readIpv4(view: DataView, offset: number, length: number, key: FlowKey): boolean {
  const headerLength = (view.getUint8(offset) & 0xf) * 4;
  const totalLength = view.getUint16(offset + IPV4_TOTAL_LENGTH);
  if (headerLength < IPV4_HEADER_LENGTH || totalLength < headerLength || totalLength > length) {
    return false;
  }
  key.version = 4;
  key.protocol = view.getUint8(offset + 9);
  key.end = offset + totalLength;
  key.source0 = key.source1 = key.source2 = 0;
  key.destination0 = key.destination1 = key.destination2 = 0;
  key.source3 = view.getInt32(offset + IPV4_SOURCE);
  key.destination3 = view.getInt32(offset + IPV4_DESTINATION);
  const isFragment = (view.getUint16(offset + 6) & 0x3fff) !== 0;
  if (!isFragment) key.transport = offset + headerLength;
  return true;
}

function readIpv6(view: DataView, offset: number, length: number, key: FlowKey): boolean {
  const payloadLength = view.getUint16(offset + IPV6_PAYLOAD_LENGTH);
  if (IPV6_HEADER_LENGTH + payloadLength > length) return false;
  key.version = 6;
  key.end = offset + IPV6_HEADER_LENGTH + payloadLength;
  key.source0 = view.getInt32(offset + IPV6_SOURCE);
  key.source1 = view.getInt32(offset + IPV6_SOURCE + 4);
  key.source2 = view.getInt32(offset + IPV6_SOURCE + 8);
  key.source3 = view.getInt32(offset + IPV6_SOURCE + 12);
  key.destination0 = view.getInt32(offset + IPV6_DESTINATION);
  key.destination1 = view.getInt32(offset + IPV6_DESTINATION + 4);
  key.destination2 = view.getInt32(offset + IPV6_DESTINATION + 8);
  key.destination3 = view.getInt32(offset + IPV6_DESTINATION + 12);
  let next = view.getUint8(offset + 6);
  let at = offset + IPV6_HEADER_LENGTH;
  for (let headers = 0; headers < EXTENSION_HEADERS_MAX && isExtension(next); headers++) {
    if (at + 8 > key.end) break;
    if (next === NEXT_FRAGMENT) {
      key.protocol = view.getUint8(at);
      return true;
    }
    const units = view.getUint8(at + 1);
    const bytes = next === NEXT_AUTHENTICATION ? (units + 2) * 4 : (units + 1) * 8;
    next = view.getUint8(at);
    at += bytes;
  }
  key.protocol = next;
  if (at <= key.end) key.transport = at;
  return true;
}

function isExtension(next: number): boolean {
  return next === NEXT_HOP_BY_HOP || next === NEXT_ROUTING || next === NEXT_FRAGMENT ||
    next === NEXT_AUTHENTICATION || next === NEXT_DESTINATION_OPTIONS;
}

function readPorts(view: DataView, key: FlowKey): void {
  const { protocol, transport } = key;
  const available = key.end - transport;
  if (protocol === PROTOCOL_TCP || protocol === PROTOCOL_UDP) {
    if (available >= 8) key.ports = view.getInt32(transport);
    else key.transport = -1;
  } else if (protocol === PROTOCOL_ICMP || protocol === PROTOCOL_ICMP6) {
    if (available >= 8 && isEcho(protocol, view.getUint8(transport))) {
      key.ports = view.getUint16(transport + 4);
    }
  } else {
    key.transport = -1;
  }
}

function isEcho(protocol: number, type: number): boolean {
  return protocol === PROTOCOL_ICMP
    ? type === ICMP_ECHO || type === ICMP_ECHO_REPLY
    : type === ICMP6_ECHO || type === ICMP6_ECHO_REPLY;
}

/** Two chains of multiply and rotate, in the manner of MurmurHash3, with its final mix. */
function hash(key: FlowKey): void {
  let a = key.ports ^ Math.imul(key.protocol, 0x9e3779b1);
  let b = Math.imul(key.ports, 0x85ebca6b) ^ key.protocol;
  if (key.version === 6) {
    a = mixWord(mixWord(mixWord(a, key.source0), key.source1), key.source2);
    a = mixWord(mixWord(mixWord(a, key.destination0), key.destination1), key.destination2);
    b = mixWord(mixWord(mixWord(b, key.destination2), key.destination1), key.destination0);
    b = mixWord(mixWord(mixWord(b, key.source2), key.source1), key.source0);
  }
  key.hashA = finish(mixWord(mixWord(a, key.source3), key.destination3));
  key.hashB = finish(mixWord(mixWord(b, key.destination3), key.source3));
}

function mixWord(state: number, word: number): number {
  const scrambled = Math.imul(word, 0xcc9e2d51);
  const mixed = state ^ Math.imul((scrambled << 15) | (scrambled >>> 17), 0x1b873593);
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0;
}

function finish(state: number): number {
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return state ^ (state >>> 16);
}
