/**
 * Records of the data plane inside a stream (TLS), one behind the other:
 *
 *     0        2
 *     | length | record ...      u16, of the record alone
 *
 * A length that no record has ends the stream: where the next one begins is not known then.
 */
import { RECORD_OVERHEAD } from "./header.ts";

/** The name that both sides agree on in the TLS handshake (ALPN, RFC 7301). */
export const DATA_STREAM_PROTOCOL = "fluxify-data/1";
/** What one record of TLS holds (RFC 8446, section 5.1). */
export const TLS_PLAINTEXT_MAX = 16_384;
export const FRAME_HEADER_LENGTH = 2;
export const FRAMED_RECORD_MIN = RECORD_OVERHEAD;
/** A frame fits in one record of TLS. */
export const FRAMED_RECORD_MAX = TLS_PLAINTEXT_MAX - FRAME_HEADER_LENGTH;

/** The frame has not come as a whole. */
export const FRAME_INCOMPLETE = 0;
/** The length is out of bounds. */
export const FRAME_REFUSED = -1;

/** Hot. Whether a record of that length can be framed. */
export function canFrame(length: number): boolean {
  return length >= FRAMED_RECORD_MIN && length <= FRAMED_RECORD_MAX;
}

/** Hot. Length of the record whose frame begins at `at`, of the bytes that end at `end`. */
export function framedLength(view: DataView, at: number, end: number): number {
  if (end - at < FRAME_HEADER_LENGTH) return FRAME_INCOMPLETE;
  const length = view.getUint16(at);
  if (!canFrame(length)) return FRAME_REFUSED;
  return at + FRAME_HEADER_LENGTH + length <= end ? length : FRAME_INCOMPLETE;
}
