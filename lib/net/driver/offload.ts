/** What a packet read from the TUN device still lacks, which the sender's kernel left to the device. */

/** Nothing: it is whole. */
export const OFFLOAD_NONE = 0;
/** Its checksum field holds the sum of the pseudo-header. */
export const OFFLOAD_CHECKSUM = 1;
/** It is a TCP super-packet, to be cut into segments. */
export const OFFLOAD_TCP = 2;
/** Something this program did not ask for. */
export const OFFLOAD_UNKNOWN = 3;

/** One is filled anew for each packet. */
export class Offload {
  kind = OFFLOAD_NONE;
  /** OFFLOAD_CHECKSUM: where the sum starts, and where its field is, from the start of the packet. */
  checksumStart = 0;
  checksumField = 0;
  /** OFFLOAD_TCP: bytes of payload of each segment. */
  segmentSize = 0;
}
