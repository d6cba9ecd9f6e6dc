/**
 * Packets on their way from one thread to another, in memory that both see: a ring with one writer and
 * one reader, which never wait for each other. Bounded; what finds no room is refused.
 *
 *     0        4        8
 *     | head   | tail   | bytes ...                                        |
 *     | u32    | u32    | length u32, packet, padding to 4 | length u32 ... |
 *
 * Head and tail count bytes since the beginning, modulo 2^32; the writer moves the head when a packet
 * is whole, the reader the tail when it has taken it. A packet lies in one piece: a length of all ones
 * says that the rest of the ring, up to its end, is not used.
 */

/** A power of two, for some packets of 64 KiB. */
export const RING_BYTES = 512 * 1024;
const MASK = RING_BYTES - 1;
const COUNTERS_BYTES = 8;
const HEAD = 0;
const TAIL = 1;
const LENGTH_BYTES = 4;
const REST_UNUSED = -1;
/** Of a ring's memory. */
export const RING_MEMORY_BYTES = COUNTERS_BYTES + RING_BYTES;

export class PacketRing {
  readonly #counters: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;

  /** @param memory of RING_MEMORY_BYTES, zeros at first; the other side makes a ring of it, too. */
  constructor(memory: SharedArrayBuffer) {
    this.#counters = new Int32Array(memory, 0, 2);
    this.#bytes = new Uint8Array(memory, COUNTERS_BYTES, RING_BYTES);
    this.#words = new Int32Array(memory, COUNTERS_BYTES, RING_BYTES / LENGTH_BYTES);
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return Atomics.load(this.#counters, HEAD) === Atomics.load(this.#counters, TAIL);
  }

  /** Hot. The writer's: copies `length` bytes at `offset` of `from`. False: there is no room. */
  push(from: Uint8Array, offset: number, length: number): boolean {
    const head = Atomics.load(this.#counters, HEAD);
    const used = (head - Atomics.load(this.#counters, TAIL)) >>> 0;
    const needed = placeBytes(length);
    let at = head & MASK;
    const skipped = at + needed > RING_BYTES ? RING_BYTES - at : 0;
    if (used + skipped + needed > RING_BYTES) return false;
    if (skipped > 0) {
      this.#words[at / LENGTH_BYTES] = REST_UNUSED;
      at = 0;
    }
    this.#words[at / LENGTH_BYTES] = length;
    this.#bytes.set(from.subarray(offset, offset + length), at + LENGTH_BYTES);
    Atomics.store(this.#counters, HEAD, (head + skipped + needed) | 0);
    return true;
  }

  /**
   * Hot. The reader's: copies the next packet to `offset` of `into`, which has room for `room` bytes.
   * Returns its length; 0: none waits, or it was longer than that and is lost.
   */
  take(into: Uint8Array, offset: number, room: number): number {
    let tail = Atomics.load(this.#counters, TAIL);
    if (tail === Atomics.load(this.#counters, HEAD)) return 0;
    let at = tail & MASK;
    if (this.#words[at / LENGTH_BYTES] === REST_UNUSED) {
      tail += RING_BYTES - at;
      at = 0;
    }
    const length = this.#words[at / LENGTH_BYTES]!;
    const isFitting = length <= room;
    if (isFitting) {
      const start = at + LENGTH_BYTES;
      into.set(this.#bytes.subarray(start, start + length), offset);
    }
    Atomics.store(this.#counters, TAIL, (tail + placeBytes(length)) | 0);
    return isFitting ? length : 0;
  }
}

/** What a packet takes up with its length. */
function placeBytes(length: number): number {
  return LENGTH_BYTES + ((length + LENGTH_BYTES - 1) & -LENGTH_BYTES);
}
