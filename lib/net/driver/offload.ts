/** The offload that the sending kernel asks of the TUN device for a packet. */

/** The packet is complete. */
export const OFFLOAD_NONE = 0;
/** Its checksum field holds the sum of the pseudo-header. */
export const OFFLOAD_CHECKSUM = 1;
/** It is a TCP super-packet, to be cut into segments. */
export const OFFLOAD_TCP = 2;
/** An offload that this program did not enable. */
export const OFFLOAD_UNKNOWN = 3;
/** It is a UDP super-packet, to be cut into datagrams. */
export const OFFLOAD_UDP = 4;

/** Reused for each packet. */
export class Offload {
  kind = OFFLOAD_NONE;
  /** OFFLOAD_CHECKSUM: where the sum starts, and where its field is, from the start of the packet. */
  checksumStart = 0;
  checksumField = 0;
  /** OFFLOAD_TCP, OFFLOAD_UDP: bytes of payload of each segment. */
  segmentSize = 0;
}
