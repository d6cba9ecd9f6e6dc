/**
 * Memory shared with C: it never moves, and the address of each byte can be had without allocating.
 *
 * A `usize` argument of a foreign call is fast only as a BigInt, and making a BigInt allocates. So an
 * arena keeps the addresses it was asked for. That costs 8 bytes of JavaScript heap for each byte of
 * the arena, and 24 more for each address in use: keep arenas small, and use {@link pinnedBytes} where
 * only a few addresses are needed. In a structure for the kernel an address is written as a plain
 * number: {@link setAddress}.
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

/** Hot. Writes an address below 2^53 as a pointer of C at `offset` (little-endian). */
export function setAddress(view: DataView, offset: number, address: number): void {
  view.setUint32(offset, address >>> 0, true);
  view.setUint32(offset + 4, address / 2 ** 32, true);
}

export class Arena {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  /** Address of the first byte, below 2^53. */
  readonly origin: number;
  readonly #addresses: (bigint | null)[];
  #used = 0;

  /** @param length of the whole arena, in bytes. */
  constructor(length: number) {
    const { bytes, address } = pinnedBytes(length);
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, 0, length);
    this.origin = Number(address);
    this.#addresses = new Array<bigint | null>(length).fill(null);
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

  /** Hot. The address of `offset`, for a foreign call. @throws RangeError outside the arena. */
  address(offset: number): bigint {
    return this.#addresses[offset] ?? this.#make(offset);
  }

  #make(offset: number): bigint {
    if (!Number.isInteger(offset) || offset < 0 || offset >= this.bytes.length) {
      throw new RangeError(`Cannot address byte ${offset} of the arena`);
    }
    return this.#addresses[offset] = BigInt(this.origin + offset);
  }
}
