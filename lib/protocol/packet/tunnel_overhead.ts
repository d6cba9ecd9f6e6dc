/** How much larger a packet of the tunnel is on the link. */
import { RECORD_OVERHEAD } from "../wire/header.ts";
import { IPV4_HEADER_LENGTH, IPV6_HEADER_LENGTH, UDP_HEADER_LENGTH } from "./ip.ts";

const OUTER_HEADER_LENGTH = { 4: IPV4_HEADER_LENGTH, 6: IPV6_HEADER_LENGTH } as const;

/** What a datagram on the link is longer than the packet in it, with IPv4 or IPv6 outside. */
export function tunnelOverheadBytes(family: 4 | 6): number {
  return OUTER_HEADER_LENGTH[family] + UDP_HEADER_LENGTH + RECORD_OVERHEAD;
}
