/**
 * Records that wait for one path, sealed, each in a slot of its own, so that few addresses are needed
 * however many batches there are. One send gathers them, and the kernel cuts the datagrams again
 * (UDP_SEGMENT): all have the length of the first one, but the last may be shorter.
 */
import { pinnedBytes, setAddress } from "../../ffi/memory/arena.ts";
import type { SessionPath } from "../../protocol/path/session_path.ts";
import { HEADER_LENGTH, PAYLOAD_OFFSET, TAG_LENGTH } from "../../protocol/wire/header.ts";
import type { SessionEntry } from "./sessions.ts";

/** Below the longest UDP payload of IPv4 (65,507) and IPv6. */
const BATCH_BYTES_MAX = 65_400;
/** UDP_MAX_SEGMENTS of every kernel that has UDP_SEGMENT. */
const BATCH_RECORDS_MAX = 64;
/** A longer record takes several. */
const SLOT_BYTES = 2048;
const IOVEC_LENGTH = 16;
const TAG = BATCH_RECORDS_MAX * SLOT_BYTES;
const IOVECS = TAG + TAG_LENGTH;

/** The addresses in a slot that sealing needs. */
interface SlotAddresses {
  readonly record: bigint;
  readonly nonce: bigint;
  readonly body: bigint;
}

export class SendBatch {
  entry: SessionEntry | null = null;
  path: SessionPath | null = null;
  /** Records in it, of which the first ones may have been sent already. */
  records = 0;
  sent = 0;
  /** Of those, too large for the path. */
  tooLarge = 0;
  /** Bytes of all records. */
  used = 0;
  recordLength = 0;
  /** DSCP and ECN of all its datagrams. */
  trafficClass = 0;
  /** Since when the kernel has had no room for it; Infinity: it has. */
  blockedAt = Infinity;
  readonly view: DataView;
  readonly bytes: Uint8Array;
  /** Where a tag is left for `closeRecord`. */
  readonly tag: bigint;
  readonly #origin: number;
  readonly #slots: SlotAddresses[] = [];
  /** A shorter record ends it: the kernel cuts all pieces but the last to one length. */
  #isClosed = false;
  #slotsUsed = 0;

  constructor() {
    const { bytes, address } = pinnedBytes(IOVECS + BATCH_RECORDS_MAX * IOVEC_LENGTH);
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
    this.#origin = Number(address);
    this.tag = address + BigInt(TAG);
    for (let slot = 0; slot < BATCH_RECORDS_MAX; slot++) {
      const record = address + BigInt(slot * SLOT_BYTES);
      const [nonce, body] = [record + BigInt(HEADER_LENGTH), record + BigInt(PAYLOAD_OFFSET)];
      this.#slots.push({ record, nonce, body });
    }
  }

  /** Hot. */
  hasRoomFor(length: number, trafficClass: number): boolean {
    if (this.records === 0) return length <= TAG;
    return !this.#isClosed && trafficClass === this.trafficClass && length <= this.recordLength &&
      this.records < BATCH_RECORDS_MAX &&
      this.used + length <= BATCH_BYTES_MAX &&
      this.#slotsUsed + slotsFor(length) <= BATCH_RECORDS_MAX;
  }

  /** Hot. Where the next record goes: the first of its slots. */
  get slot(): SlotAddresses {
    return this.#slots[this.#slotsUsed]!;
  }

  /** Hot. Where that is in `view`. */
  get offset(): number {
    return this.#slotsUsed * SLOT_BYTES;
  }

  /** Hot. The record of `length` bytes in the next slot is sealed, its tag at `tag`. */
  closeRecord(length: number): void {
    const { view } = this;
    const tagged = this.offset + length - TAG_LENGTH;
    for (let at = 0; at < TAG_LENGTH; at += 4) {
      view.setInt32(tagged + at, view.getInt32(TAG + at));
    }
    const iovec = IOVECS + this.records * IOVEC_LENGTH;
    setAddress(view, iovec, this.#origin + this.offset);
    view.setUint32(iovec + 8, length, true);
    if (this.records === 0) this.recordLength = length;
    this.#isClosed = length < this.recordLength;
    this.#slotsUsed += slotsFor(length);
    this.used += length;
    this.records++;
  }

  /** The address of the iovec of a record; those of later ones stand behind it. */
  iovecs(record: number): number {
    return this.#origin + IOVECS + record * IOVEC_LENGTH;
  }

  clear(): void {
    this.entry = this.path = null;
    this.records =
      this.sent =
      this.tooLarge =
      this.used =
      this.#slotsUsed =
        0;
    this.blockedAt = Infinity;
    this.#isClosed = false;
  }
}

function slotsFor(length: number): number {
  return Math.ceil(length / SLOT_BYTES);
}
