/** Memory of packets and records. It does not move while it is referenced. */
export interface PacketMemory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  /** Address of the first byte, for the kernel; below 2^53. */
  readonly origin: number;
  /** Hot. The address of an offset, for a foreign call. */
  address(offset: number): bigint;
}
