import { addressOf } from "./libc.ts";

/** An Ethernet frame of 1500 bytes of payload with two VLAN tags, rounded up to a cache line. */
export const FRAME_LENGTH_MAX = 1536;

/** Room for `slotCount` frames, with the address of each as a BigInt made once. */
export class FrameMemory {
  readonly addresses: readonly bigint[];
  // Kept so that the memory behind the addresses lives.
  readonly bytes: Uint8Array<ArrayBuffer>;

  constructor(slotCount: number) {
    this.bytes = new Uint8Array(slotCount * FRAME_LENGTH_MAX);
    const base = addressOf(this.bytes);
    this.addresses = Array.from(
      { length: slotCount },
      (_, slot) => base + BigInt(slot * FRAME_LENGTH_MAX),
    );
  }
}
