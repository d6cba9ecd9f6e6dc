/** What a library that makes gzip (RFC 1952) of packets in an arena offers. */
export interface PacketGzip {
  /** The length of the gzip made of the packet, or 0 when it is longer than `capacity`. */
  compress(source: number, length: number, destination: number, capacity: number): number;
  /** The length of the packet, or -1 unless the source is one whole gzip member of at most `capacity`. */
  inflate(source: number, length: number, destination: number, capacity: number): number;
  free(): void;
}
