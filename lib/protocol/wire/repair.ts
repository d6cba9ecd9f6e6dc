/**
 * A repair record (x1, type 7, between peers that agreed on it): the exclusive or of packet records of
 * one path, which brings back any one of them. It travels on another path.
 *
 *     0      1       2          4         8         10
 *     | path | epoch | mask u16 | first   | lengths | parity ...
 *     |      |       |          | u32     | u16     |
 *
 * - Covered are the records of `path` and `epoch` with the counters `first` + n for each bit n of
 *   `mask` that is set; bit 0 always is.
 * - `lengths` is the exclusive or of the lengths of their plaintexts, `parity` that of the plaintexts
 *   themselves, the shorter ones continued by zeros.
 * - Flags, compression, sequence and stream in the header of the record are those of the covered
 *   records, combined in the same way.
 */

export const REPAIR_PREFIX_LENGTH = 10;
/** Counters that one record speaks of: the bits of the mask. */
export const REPAIR_SPAN = 16;
/** Longer plaintexts are not covered. */
export const REPAIR_BYTES_MAX = 2048 - REPAIR_PREFIX_LENGTH;

/** What is before the parity. One is reused. */
export class RepairPrefix {
  pathId = 0;
  /** Low 8 bits of the key epoch that the counters belong to. */
  epoch = 0;
  mask = 0;
  first = 0;
  lengths = 0;
}

export function encodeRepairPrefix(view: DataView, offset: number, prefix: RepairPrefix): void {
  view.setUint8(offset, prefix.pathId);
  view.setUint8(offset + 1, prefix.epoch);
  view.setUint16(offset + 2, prefix.mask);
  view.setUint32(offset + 4, prefix.first);
  view.setUint16(offset + 8, prefix.lengths);
}

/** Returns false for what no sender would say: no parity or too much, or a mask without its first bit. */
export function decodeRepairPrefix(payload: Uint8Array, prefix: RepairPrefix): boolean {
  const parity = payload.length - REPAIR_PREFIX_LENGTH;
  if (parity < 1 || parity > REPAIR_BYTES_MAX) return false;
  const view = new DataView(payload.buffer, payload.byteOffset, REPAIR_PREFIX_LENGTH);
  prefix.pathId = view.getUint8(0);
  prefix.epoch = view.getUint8(1);
  prefix.mask = view.getUint16(2);
  prefix.first = view.getUint32(4);
  prefix.lengths = view.getUint16(8);
  return (prefix.mask & 1) === 1 && prefix.first > 0;
}
