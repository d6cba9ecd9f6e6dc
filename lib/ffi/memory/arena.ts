/**
 * Memory shared with C: it never moves, and the address of every byte is known beforehand.
 *
 * A `usize` argument of a foreign call is fast only as a BigInt, and making a BigInt allocates. So
 * an arena makes the address of each of its bytes once, and the hot path looks addresses up. That
 * costs 32 bytes of JavaScript heap for each byte of the arena: keep arenas small, and use
 * {@link pinnedBytes} where only a few addresses are needed.
 */

/** On-heap typed arrays (64 bytes and fewer) can be moved by the collector; larger ones cannot. */
const PINNED_BYTES_MIN = 128;

/** Bytes that C may keep an address of, as long as the caller keeps the array alive. */
export function pinnedBytes(length: number): { bytes: Uint8Array<ArrayBuffer>; address: bigint } {
  const bytes = new Uint8Array(new ArrayBuffer(Math.max(length, PINNED_BYTES_MIN)), 0, length);
  return { bytes, address: addressOf(bytes) };
}

function addressOf(bytes: Uint8Array<ArrayBuffer>): bigint {
  return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes)));
}

export class Arena {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  /** `addresses[offset]` is the address of `bytes[offset]`. */
  readonly addresses: readonly bigint[];
  #used = 0;

  /** @param length of the whole arena, in bytes. */
  constructor(length: number) {
    const { bytes, address } = pinnedBytes(length);
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, 0, length);
    const addresses: bigint[] = [];
    for (let offset = 0; offset < length; offset++) addresses.push(address + BigInt(offset));
    this.addresses = addresses;
  }

  /**
   * Sets aside `length` bytes and returns their offset, 16-byte aligned.
   * @throws RangeError when the arena is full.
   */
  reserve(length: number): number {
    const offset = this.#used;
    if (offset + length > this.bytes.length) {
      throw new RangeError(
        `Cannot reserve ${length} bytes: ${this.bytes.length - offset} of the arena are left`,
      );
    }
    this.#used = (offset + length + 15) & ~15;
    return offset;
  }

  /** The address of `offset`. @throws RangeError outside the arena. */
  address(offset: number): bigint {
    const address = this.addresses[offset];
    if (address === undefined) throw new RangeError(`Cannot address byte ${offset} of the arena`);
    return address;
  }
}
