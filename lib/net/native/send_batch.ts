/**
 * Sealed records of one path, stored back to back. One send takes all of them, and the kernel splits
 * them into datagrams (UDP_SEGMENT): all have the length of the first, except that the last may be
 * shorter.
 */
import { Arena } from "../../ffi/memory/arena.ts";
import type { SessionPath } from "../../protocol/path/session_path.ts";
import type { Opener, Sealer } from "../../ffi/libcrypto/aes_gcm.ts";
import type { SessionEntry } from "../driver/sessions.ts";

/** Below the longest UDP payload of IPv4 (65,507) and IPv6. */
const BATCH_BYTES_MAX = 65_400;
/** UDP_MAX_SEGMENTS of every kernel that has UDP_SEGMENT. */
const BATCH_RECORDS_MAX = 64;
/** One longer record is taken, too, so that the kernel may refuse it. */
const MEMORY_BYTES = 65_536 + 64;

export class SendBatch {
  readonly memory = new Arena(MEMORY_BYTES);
  entry: SessionEntry<Sealer, Opener> | null = null;
  path: SessionPath | null = null;
  /** Records in it, of which the first ones may have been sent already. */
  records = 0;
  sent = 0;
  /** Of those, too large for the path. */
  tooLarge = 0;
  /** Bytes of all records; the next one goes behind them. */
  used = 0;
  recordLength = 0;
  /** DSCP and ECN of all its datagrams. */
  trafficClass = 0;
  /** Since when the kernel has had no room for it; Infinity: it has. */
  blockedAt = Infinity;
  /** Whether that is for the socket's buffer, which poll tells of; else the device's queue is full. */
  isSocketFull = false;
  /** A shorter record ends it: the kernel cuts all pieces but the last to one length. */
  #isClosed = false;

  /** Hot. */
  hasRoomFor(length: number, trafficClass: number): boolean {
    if (this.records === 0) return length <= MEMORY_BYTES;
    return !this.#isClosed && trafficClass === this.trafficClass &&
      length <= this.recordLength && this.records < BATCH_RECORDS_MAX &&
      this.used + length <= BATCH_BYTES_MAX;
  }

  /** Hot. A record of `length` bytes has been sealed behind the others. */
  closeRecord(length: number): void {
    if (this.records === 0) this.recordLength = length;
    this.#isClosed = length < this.recordLength;
    this.used += length;
    this.records++;
  }

  /** Bytes of `count` records from `first` on. */
  bytesOf(first: number, count: number): number {
    return Math.min((first + count) * this.recordLength, this.used) - first * this.recordLength;
  }

  clear(): void {
    this.entry = this.path = null;
    this.records =
      this.sent =
      this.tooLarge =
      this.used =
        0;
    this.blockedAt = Infinity;
    this.isSocketFull = false;
    this.#isClosed = false;
  }
}
