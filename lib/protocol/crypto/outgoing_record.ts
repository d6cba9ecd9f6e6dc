/** The header fields of a record, besides its path and its length. One object is reused for all. */
import { COMPRESSION_NONE, TYPE_PACKET } from "../wire/header.ts";

export class OutgoingRecord {
  type = TYPE_PACKET;
  flags = 0;
  compression = COMPRESSION_NONE;
  /** Reorder domain; 0 in v1, and for what is delivered at once. */
  stream = 0;
  /** From `Session.nextSequence`; 0 for what is not a packet. */
  sequence = 0;
  /** This side's clock, microseconds modulo 2^32. */
  sendTime = 0;
  /** DSCP and ECN of the datagram. */
  trafficClass = 0;
}
