/**
 * Takes a stream in whatever pieces it comes, and gives the records in it. Its memory is shared by the
 * streams of a thread: what is left of a frame that has not come as a whole is carried over by its
 * stream (`Carry`).
 */
import { pinnedBytes } from "../../ffi/memory/arena.ts";
import {
  FRAME_HEADER_LENGTH,
  FRAME_INCOMPLETE,
  FRAME_REFUSED,
  framedLength,
  TLS_PLAINTEXT_MAX,
} from "../../protocol/wire/stream_frame.ts";

/** Several records of TLS, so that what they hold leaves in few sends. */
const BUFFER_BYTES = 5 * TLS_PLAINTEXT_MAX;

/** The beginning of a frame, of one stream. */
export type Carry = Uint8Array | null;

export class FrameBuffer {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Address of the first byte. */
  readonly origin: number;
  readonly #address: bigint;
  /** Of the record that `next` found. */
  recordAt = 0;
  readonly #view: DataView;
  #at = 0;
  #end = 0;

  constructor() {
    const { bytes, address } = pinnedBytes(BUFFER_BYTES);
    this.bytes = bytes;
    this.origin = Number(address);
    this.#address = address;
    this.#view = new DataView(bytes.buffer);
  }

  /** Begins with what was left of a stream. */
  begin(carry: Carry): void {
    this.#at = 0;
    this.#end = carry?.length ?? 0;
    if (carry !== null) this.bytes.set(carry);
  }

  /** Whether one more record of TLS has room behind what has come. */
  get hasRoom(): boolean {
    return BUFFER_BYTES - this.#end >= TLS_PLAINTEXT_MAX;
  }

  /** Where the next bytes go. */
  get end(): number {
    return this.#end;
  }

  /** The address of that place. Allocates for another than the first. */
  get endAddress(): bigint {
    return this.#end === 0 ? this.#address : BigInt(this.origin + this.#end);
  }

  /** So many bytes have come. */
  filled(length: number): void {
    this.#end += length;
  }

  /**
   * Hot. Length of the next record, which lies at `recordAt`; FRAME_INCOMPLETE: it has not come as a
   * whole; FRAME_REFUSED: the stream is broken.
   */
  next(): number {
    const length = framedLength(this.#view, this.#at, this.#end);
    if (length === FRAME_INCOMPLETE || length === FRAME_REFUSED) return length;
    this.recordAt = this.#at + FRAME_HEADER_LENGTH;
    this.#at = this.recordAt + length;
    return length;
  }

  /** What is left, for `begin` when more comes; null when nothing is. */
  rest(): Carry {
    return this.#at === this.#end ? null : this.bytes.slice(this.#at, this.#end);
  }
}
