/**
 * Converts peer addresses between Deno's sockets and sessions. Deno tells neither the local address of
 * a datagram nor the scope of a link-local one: both stay 0.
 */
import { isIPv4 } from "node:net";
import { ipv4Word, ipv6Words } from "../../protocol/packet/inner_address.ts";
import { MAPPED_PREFIX, PeerAddress } from "../../protocol/path/peer_address.ts";

const MAPPED_TEXT = "::ffff:";

/** Where a datagram came from. @throws RangeError when `hostname` is no IP address. */
export function peerAddress({ hostname, port }: Deno.NetAddr): PeerAddress {
  const peer = new PeerAddress();
  peer.port = port;
  const ipv4 = hostname.startsWith(MAPPED_TEXT) ? hostname.slice(MAPPED_TEXT.length) : hostname;
  if (isIPv4(ipv4)) {
    peer.a2 = MAPPED_PREFIX;
    peer.a3 = ipv4Word(ipv4);
  } else {
    [peer.a0, peer.a1, peer.a2, peer.a3] = ipv6Words(hostname);
  }
  return peer;
}

/** @param isV6 whether the socket takes IPv6 addresses, IPv4 mapped; else IPv4 alone. */
export function netAddress(peer: PeerAddress, isV6: boolean): Deno.NetAddr {
  const { a0, a1, a2, a3, port } = peer;
  const hostname = isV6
    ? [a0, a1, a2, a3].flatMap((word) => [word >>> 16, word & 0xffff])
      .map((group) => group.toString(16)).join(":")
    : [a3 >>> 24, (a3 >>> 16) & 0xff, (a3 >>> 8) & 0xff, a3 & 0xff].join(".");
  return { transport: "udp", hostname, port };
}
