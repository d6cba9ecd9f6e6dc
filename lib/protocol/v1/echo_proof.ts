/**
 * Validates the address of a v1 client. v1 has no challenge, but the client's host answers a ping
 * through the tunnel (RFC 792), and only a host that received the ping knows the random token in it.
 *
 *     0          8            20          24                28      44
 *     | IPv4 header ...       | 8, 0, sum | identifier, 0   | token |
 */
import { fold, sumBytes, writeIpv4Checksum } from "../packet/checksum.ts";
import type { FlowKey } from "../packet/flow_key.ts";
import {
  IPV4_DESTINATION,
  IPV4_DONT_FRAGMENT,
  IPV4_FRAGMENT,
  IPV4_HEADER_LENGTH,
  IPV4_PROTOCOL,
  IPV4_SOURCE,
  IPV4_TIME_TO_LIVE,
  IPV4_TOTAL_LENGTH,
  PROTOCOL_ICMP,
} from "../packet/ip.ts";

const ECHO_REQUEST = 8;
const ECHO_REPLY = 0;
const CODE = 1;
const CHECKSUM = 2;
const IDENTIFIER = 4;
const TOKEN = 8;
const TOKEN_BYTES = 16;
/** Arbitrary: the token identifies the answer. */
const OWN_IDENTIFIER = 0x4658;
const TIME_TO_LIVE = 64;

/**
 * A ping with a token of 16 bytes, from an address of the same 256: 1, or 2 for the client that has 1.
 * @param client its address inside the tunnel, as `ipv4Word` reads it.
 */
export function writeEchoRequest(client: number, token: Uint8Array): Uint8Array<ArrayBuffer> {
  if (token.length !== TOKEN_BYTES) throw new RangeError("Cannot ping: the token is not 16 bytes");
  const bytes = new Uint8Array(IPV4_HEADER_LENGTH + TOKEN + TOKEN_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x4500);
  view.setUint16(IPV4_TOTAL_LENGTH, bytes.length);
  view.setUint16(IPV4_FRAGMENT, IPV4_DONT_FRAGMENT);
  view.setUint8(IPV4_TIME_TO_LIVE, TIME_TO_LIVE);
  view.setUint8(IPV4_PROTOCOL, PROTOCOL_ICMP);
  view.setInt32(IPV4_SOURCE, (client & ~0xff) | ((client & 0xff) === 1 ? 2 : 1));
  view.setInt32(IPV4_DESTINATION, client);
  writeIpv4Checksum(view, 0);
  const icmp = IPV4_HEADER_LENGTH;
  view.setUint8(icmp, ECHO_REQUEST);
  view.setUint16(icmp + IDENTIFIER, OWN_IDENTIFIER);
  bytes.set(token, icmp + TOKEN);
  const sum = sumBytes(view, icmp, TOKEN + TOKEN_BYTES);
  view.setUint16(icmp + CHECKSUM, ~fold(sum) & 0xffff);
  return bytes;
}

/** The token in the packet that `flow` was read from, in hex; null: it is no answer to such a ping. */
export function echoReplyToken(view: DataView, flow: FlowKey): string | null {
  const { transport, end } = flow;
  if (flow.version !== 4 || flow.protocol !== PROTOCOL_ICMP || transport < 0) return null;
  if (end - transport !== TOKEN + TOKEN_BYTES) return null;
  if (view.getUint8(transport) !== ECHO_REPLY || view.getUint8(transport + CODE) !== 0) return null;
  if (view.getUint16(transport + IDENTIFIER) !== OWN_IDENTIFIER) return null;
  return new Uint8Array(view.buffer, view.byteOffset + transport + TOKEN, TOKEN_BYTES).toHex();
}
