/**
 * The reorder stage of one session: its buffers (one for a v1 session, one for each stream of x1)
 * and copies of the packets they hold.
 */
import { CopyFilter } from "../../protocol/receive/copy_filter.ts";
import { ReorderBuffer } from "../../protocol/receive/reorder_buffer.ts";

/** Streams of one x1 session that may need order. */
const STREAMS_MAX = 64;
const SLOT_BYTES = 2048;
/** Packet memory is made this many slots at a time, when they are first needed. */
const CHUNK_SLOTS = 64;
/** Of one stream: packets too long for their slots, which a tunnel has whose MTU was set high. */
const LONG_PACKETS_BYTES_MAX = 2 * 1024 * 1024;

export class ReorderStream {
  readonly buffer: ReorderBuffer;
  readonly #chunks: Uint8Array[] = [];
  /** By slot, those that are longer than a slot. */
  readonly #long = new Map<number, Uint8Array>();
  #longBytes = 0;
  readonly #lengths: Uint16Array;
  readonly #flags: Uint8Array;

  constructor(capacity: number, flushTimeoutMs: number) {
    this.buffer = new ReorderBuffer({ capacity, flushTimeoutMs });
    this.#lengths = new Uint16Array(capacity);
    this.#flags = new Uint8Array(capacity);
  }

  /** Keeps a copy of a packet. False when there is no room for one so long. */
  store(slot: number, from: Uint8Array, offset: number, length: number, flags: number): boolean {
    const packet = from.subarray(offset, offset + length);
    if (length > SLOT_BYTES) {
      if (this.#longBytes + length > LONG_PACKETS_BYTES_MAX) return false;
      this.#longBytes += length;
      this.#long.set(slot, packet.slice());
    } else {
      const index = Math.floor(slot / CHUNK_SLOTS);
      const chunk = this.#chunks[index] ??= new Uint8Array(CHUNK_SLOTS * SLOT_BYTES);
      chunk.set(packet, (slot % CHUNK_SLOTS) * SLOT_BYTES);
    }
    this.#lengths[slot] = length;
    this.#flags[slot] = flags;
    return true;
  }

  /**
   * Copies the packet of `slot` to `offset` of `into` and returns its length. To be called once for
   * each packet stored.
   */
  load(slot: number, into: Uint8Array, offset: number): number {
    const length = this.#lengths[slot]!;
    if (length > SLOT_BYTES) {
      into.set(this.#long.get(slot)!, offset);
      this.#long.delete(slot);
      this.#longBytes -= length;
    } else {
      const start = (slot % CHUNK_SLOTS) * SLOT_BYTES;
      const chunk = this.#chunks[Math.floor(slot / CHUNK_SLOTS)]!;
      into.set(chunk.subarray(start, start + length), offset);
    }
    return length;
  }

  flags(slot: number): number {
    return this.#flags[slot]!;
  }
}

export class Reordering {
  readonly #capacity: number;
  readonly #flushTimeoutMs: number;
  readonly #streams = new Map<number, ReorderStream>();
  readonly #copies = new Map<number, CopyFilter>();

  constructor(capacity: number, flushTimeoutMs: number) {
    this.#capacity = capacity;
    this.#flushTimeoutMs = flushTimeoutMs;
  }

  /** The stream `id` (0 for all of v1), or null when there are too many. */
  stream(id: number): ReorderStream | null {
    const known = this.#streams.get(id);
    if (known !== undefined) return known;
    if (this.#streams.size >= STREAMS_MAX) return null;
    const stream = new ReorderStream(this.#capacity, this.#flushTimeoutMs);
    this.#streams.set(id, stream);
    return stream;
  }

  /** Whether a packet that was sent several times comes for the first time. */
  isFirstCopy(stream: number, sequence: number): boolean {
    let filter = this.#copies.get(stream);
    if (filter === undefined) {
      if (this.#copies.size >= STREAMS_MAX) return false;
      this.#copies.set(stream, filter = new CopyFilter());
    }
    return filter.accept(sequence);
  }

  get streams(): Iterable<ReorderStream> {
    return this.#streams.values();
  }

  nextDeadline(): number {
    let next = Infinity;
    for (const { buffer } of this.#streams.values()) next = Math.min(next, buffer.nextDeadline());
    return next;
  }

  /** The counters of all streams together. */
  counters() {
    const sum = { bufferedEvents: 0, reorderedEvents: 0, drops: 0, flushes: 0, maxDepth: 0 };
    for (const { buffer: { counters } } of this.#streams.values()) {
      sum.bufferedEvents += counters.bufferedEvents;
      sum.reorderedEvents += counters.reorderedEvents;
      sum.drops += counters.drops;
      sum.flushes += counters.flushes;
      sum.maxDepth = Math.max(sum.maxDepth, counters.maxDepth);
    }
    return sum;
  }
}
