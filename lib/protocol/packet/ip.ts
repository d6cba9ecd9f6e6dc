/**
 * What we read of the packets inside the tunnel: IPv4 (RFC 791), IPv6 (RFC 8200), TCP (RFC 9293),
 * UDP (RFC 768).
 */

/** The longest packet the length fields of IPv4 can name; IPv6 could 40 more. */
export const PACKET_BYTES_MAX = 65_535;

export const PROTOCOL_ICMP = 1;
export const PROTOCOL_TCP = 6;
export const PROTOCOL_UDP = 17;
export const PROTOCOL_ICMP6 = 58;

export const IPV4_HEADER_LENGTH = 20;
export const IPV4_TOTAL_LENGTH = 2;
export const IPV4_IDENTIFICATION = 4;
/** Flags and offset. */
export const IPV4_FRAGMENT = 6;
export const IPV4_TIME_TO_LIVE = 8;
export const IPV4_PROTOCOL = 9;
export const IPV4_CHECKSUM = 10;
export const IPV4_SOURCE = 12;
export const IPV4_DESTINATION = 16;
export const IPV4_DONT_FRAGMENT = 0x4000;
export const IPV4_MORE_FRAGMENTS = 0x2000;
/** The offset of a fragment, in units of 8 bytes. */
export const IPV4_FRAGMENT_OFFSET = 0x1fff;

export const IPV6_HEADER_LENGTH = 40;
export const IPV6_PAYLOAD_LENGTH = 4;
export const IPV6_NEXT_HEADER = 6;
export const IPV6_HOP_LIMIT = 7;
export const IPV6_SOURCE = 8;
export const IPV6_DESTINATION = 24;
/** Every link carries so much (RFC 8200, 5). */
export const IPV6_MTU_MIN = 1280;

export const TCP_HEADER_LENGTH_MIN = 20;
export const TCP_SEQUENCE = 4;
export const TCP_ACKNOWLEDGEMENT = 8;
export const TCP_DATA_OFFSET = 12;
export const TCP_FLAGS = 13;
export const TCP_CHECKSUM = 16;
export const TCP_FLAG_FIN = 0x01;
export const TCP_FLAG_PSH = 0x08;
export const TCP_FLAG_ACK = 0x10;
export const TCP_FLAG_CWR = 0x80;

export const UDP_HEADER_LENGTH = 8;
export const UDP_LENGTH = 4;
export const UDP_CHECKSUM = 6;
