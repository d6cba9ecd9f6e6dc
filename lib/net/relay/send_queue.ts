/**
 * Records that wait for a stream to take them, framed. The newest always get in: what has waited too
 * long, or stands first when there is no room, is dropped, as a router does it. So a stream that stalls
 * delays what it carries by a bounded time, and never what others carry.
 */
import { pinnedBytes } from "../../ffi/memory/arena.ts";
import {
  canFrame,
  FRAME_HEADER_LENGTH,
  TLS_PLAINTEXT_MAX,
} from "../../protocol/wire/stream_frame.ts";

/** What one receive brings at most: UDP_MAX_SEGMENTS datagrams, or one of any size. */
export const RECEIVE_BYTES_MAX = 65_535;
const RECORDS_MAX = 64;
/** What is received lies so far behind its place that frames have room before each record. */
const HEADROOM = RECORDS_MAX * FRAME_HEADER_LENGTH;
const BLOCK_BYTES = 2 * (RECEIVE_BYTES_MAX + 1);
/** What is filled for longer is left as it is: its age is that of its first record. */
const FILL_MS_MAX = 50;
/** Longer than a queue of any use; what waits so long is sent again by those who sent it. */
export const QUEUE_MS_MAX = 250;
/** Blocks of one stream: 750 KiB or more, which is 20 ms of 300 Mbit/s. */
export const QUEUE_BLOCKS_MAX = 12;
/** Blocks of all streams of a thread: 16 MiB. */
const POOL_BLOCKS_MAX = 128;

interface Block {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
  /** Address of the first byte, in both forms: making the second one allocates. */
  readonly origin: number;
  readonly address: bigint;
  start: number;
  end: number;
  /** When its first record came. */
  at: number;
}

/** The memory of the queues of one thread. */
export class BlockPool {
  readonly #free: Block[] = [];
  readonly #queues = new Set<SendQueue>();
  readonly #blocksMax: number;
  #made = 0;

  /** @param blocksMax of all queues together */
  constructor(blocksMax = POOL_BLOCKS_MAX) {
    this.#blocksMax = blocksMax;
  }

  /** An empty block. The queue with the most gives one up when there is none; null: none can. */
  take(): Block | null {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#made < this.#blocksMax) {
      this.#made++;
      const { bytes, address } = pinnedBytes(BLOCK_BYTES);
      const view = new DataView(bytes.buffer);
      return { bytes, view, origin: Number(address), address, start: 0, end: 0, at: 0 };
    }
    let longest: SendQueue | null = null;
    for (const queue of this.#queues) {
      if (longest === null || queue.blocks > longest.blocks) longest = queue;
    }
    longest?.dropFirst();
    return this.#free.pop() ?? null;
  }

  give(block: Block): void {
    block.start = block.end = 0;
    this.#free.push(block);
  }

  join(queue: SendQueue): void {
    this.#queues.add(queue);
  }

  leave(queue: SendQueue): void {
    this.#queues.delete(queue);
  }
}

export class SendQueue implements Disposable {
  /** Records that were dropped. */
  dropped = 0;
  readonly #pool: BlockPool;
  /** The one that leaves next first. */
  readonly #blocks: Block[] = [];
  /** Bytes at the head that a stream has begun to take: they stay. */
  #begun = 0;

  constructor(pool: BlockPool) {
    this.#pool = pool;
    pool.join(this);
  }

  get blocks(): number {
    return this.#blocks.length;
  }

  /** Bytes that wait, with their frames. */
  get bytes(): number {
    return this.#blocks.reduce((sum, { start, end }) => sum + end - start, 0);
  }

  /**
   * Hot. The address that RECEIVE_BYTES_MAX bytes may be received at, to be told of with `received`
   * before anything else; 0: there is no memory.
   */
  receiveAt(now: number): number {
    let block = this.#blocks.at(-1);
    if (block === undefined || !isOpen(block, now)) {
      if (this.#blocks.length >= QUEUE_BLOCKS_MAX) this.dropFirst();
      const added = this.#pool.take();
      if (added === null) return 0;
      added.at = now;
      this.#blocks.push(added);
      block = added;
    } else if (block.start === block.end) {
      block.start = block.end = 0;
      block.at = now;
    }
    return block.origin + block.end + HEADROOM;
  }

  /** Hot. So many bytes were received: records of `segment` bytes, the last maybe shorter. */
  received(length: number, segment: number): void {
    const block = this.#blocks.at(-1)!;
    const from = block.end + HEADROOM;
    for (let at = 0, records = 0; at < length; at += segment, records++) {
      const record = Math.min(segment, length - at);
      if (!canFrame(record) || records >= RECORDS_MAX) {
        this.dropped++;
        continue;
      }
      block.view.setUint16(block.end, record);
      const place = block.end + FRAME_HEADER_LENGTH;
      block.bytes.copyWithin(place, from + at, from + at + record);
      block.end = place + record;
    }
  }

  /**
   * How many bytes the stream may take next, from `address`: frames as a whole, and what one record of
   * TLS holds at most; 0: nothing waits. What `begin` was told of is given again until it is taken.
   */
  next(now: number): number {
    if (this.#begun > 0) return this.#begun;
    for (let head = this.#blocks[0]; head !== undefined; head = this.#blocks[0]) {
      if (head.start === head.end) this.#pool.give(this.#blocks.shift()!);
      else if (now - head.at > QUEUE_MS_MAX) this.dropFirst();
      else return chunkOf(head);
    }
    return 0;
  }

  /** Of the bytes that `next` has told of. Allocates for what is behind the first piece of a block. */
  get address(): bigint {
    const { address, origin, start } = this.#blocks[0]!;
    return start === 0 ? address : BigInt(origin + start);
  }

  /** The stream has begun with the next `length` bytes, and has to take them all. */
  begin(length: number): void {
    this.#begun = length;
  }

  /** The stream has taken the next `length` bytes. */
  taken(length: number): void {
    this.#begun = 0;
    this.#blocks[0]!.start += length;
  }

  /** Drops the first block, but for what a stream has begun with. */
  dropFirst(): void {
    const place = this.#begun > 0 && this.#blocks.length > 1 ? 1 : 0;
    const block = this.#blocks[place];
    if (block === undefined) return;
    const kept = block.start + (place === 0 ? this.#begun : 0);
    this.dropped += recordsIn(block, kept);
    if (kept > block.start) {
      block.end = kept;
      return;
    }
    this.#blocks.splice(place, 1);
    this.#pool.give(block);
  }

  /** Gives its memory back. */
  [Symbol.dispose](): void {
    this.#pool.leave(this);
    for (const block of this.#blocks.splice(0)) this.#pool.give(block);
    this.#begun = 0;
  }
}

/** Hot. */
function isOpen(block: Block, now: number): boolean {
  if (block.start === block.end) return true;
  return now - block.at <= FILL_MS_MAX &&
    block.end + HEADROOM + RECEIVE_BYTES_MAX <= BLOCK_BYTES;
}

function chunkOf({ view, start, end }: Block): number {
  let at = start;
  while (at < end) {
    const next = at + FRAME_HEADER_LENGTH + view.getUint16(at);
    if (next - start > TLS_PLAINTEXT_MAX) break;
    at = next;
  }
  return at - start;
}

function recordsIn({ view, end }: Block, from: number): number {
  let records = 0;
  for (let at = from; at < end; at += FRAME_HEADER_LENGTH + view.getUint16(at)) records++;
  return records;
}
