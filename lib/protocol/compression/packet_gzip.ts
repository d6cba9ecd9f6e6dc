/** Gzip of single packets by the runtime's zlib, where no faster library is available. */
import { constants, crc32, gunzipSync, gzipSync } from "node:zlib";

/** What level 1 of the runtime's zlib makes of a packet of text is two fifths longer. */
const LEVEL = 2;
const TRAILER_LENGTH = 8;
const CRC_FROM_END = 8;
const LENGTH_FROM_END = 4;
const CHUNK_BYTES_MIN = 64;

/** The gzip of `packet`, or null when it is longer than `capacity` bytes. */
export function gzipPacket(packet: Uint8Array, capacity: number): Uint8Array | null {
  const chunkSize = Math.max(capacity, CHUNK_BYTES_MIN);
  const compressed = gzipSync(packet, { level: LEVEL, chunkSize });
  return compressed.length <= capacity ? compressed : null;
}

/**
 * The packet that `compressed` holds. Null unless it is one whole gzip member, and nothing else, of
 * a packet of at most `capacity` bytes; no more than those are ever made.
 */
export function gunzipPacket(compressed: Uint8Array, capacity: number): Uint8Array | null {
  const end = compressed.length;
  if (end < TRAILER_LENGTH || capacity < 1) return null;
  try {
    const packet = gunzipSync(compressed, {
      maxOutputLength: capacity,
      chunkSize: Math.max(capacity, CHUNK_BYTES_MIN),
      finishFlush: constants.Z_FINISH,
    });
    // zlib has checked a trailer; that it was the last 8 bytes, and of all, says that it was alone.
    const view = new DataView(compressed.buffer, compressed.byteOffset, end);
    const isAlone = view.getUint32(end - LENGTH_FROM_END, true) === packet.length &&
      view.getUint32(end - CRC_FROM_END, true) === crc32(packet);
    return isAlone ? packet : null;
  } catch {
    return null;
  }
}
