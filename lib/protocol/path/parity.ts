/** The exclusive or of records, by which any one of them is had back from the others. */
import { REPAIR_BYTES_MAX } from "../wire/repair.ts";

/** The fields of a record's header that come back with it. */
export interface CoveredFields {
  readonly flags: number;
  readonly compression: number;
  readonly sequence: number;
  readonly stream: number;
}

/** Of what was added; the exclusive or of all but one is that one. */
export class Parity implements CoveredFields {
  flags = 0;
  compression = 0;
  sequence = 0;
  stream = 0;
  lengths = 0;
  /** The longest plaintext. */
  longest = 0;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;

  /** @param bytes room for {@link REPAIR_BYTES_MAX}, all zero, or `clear` is to be called first. */
  constructor(bytes = new Uint8Array(REPAIR_BYTES_MAX)) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  clear(): void {
    this.flags =
      this.compression =
      this.sequence =
      this.stream =
      this.lengths =
        0;
    this.longest = 0;
    this.bytes.fill(0);
  }

  /** Hot. Adds a plaintext of at most {@link REPAIR_BYTES_MAX}. Added twice, it is out again. */
  add(fields: CoveredFields, view: DataView, offset: number, length: number): void {
    this.addParity(fields, length, view, offset, length);
  }

  /** The same of what is a parity itself. */
  addParity(
    fields: CoveredFields,
    lengths: number,
    view: DataView,
    offset: number,
    length: number,
  ): void {
    this.flags ^= fields.flags;
    this.compression ^= fields.compression;
    this.sequence = (this.sequence ^ fields.sequence) >>> 0;
    this.stream ^= fields.stream;
    this.lengths ^= lengths;
    if (length > this.longest) this.longest = length;
    xorInto(this.#view, view, offset, length);
  }
}

/** Hot. */
function xorInto(into: DataView, from: DataView, offset: number, length: number): void {
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    into.setInt32(at, into.getInt32(at) ^ from.getInt32(offset + at));
  }
  for (; at < length; at++) into.setUint8(at, into.getUint8(at) ^ from.getUint8(offset + at));
}
