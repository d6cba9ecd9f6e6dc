/**
 * What the receiver of a path tells its sender (x1, type 5), on the path itself. Counts are since
 * the path began, modulo 2^32, so that one that gets lost costs nothing but time:
 *
 *     0           4           8        12           16      20        24               28      32
 *     | received  | expected  | bytes  | send time  | hold  | clock   | queueing delay | jitter |
 */

export const PATH_FEEDBACK_LENGTH = 32;

export interface PathFeedback {
  /** Records that arrived. */
  readonly received: number;
  /** Records that were sent, as far as the counters of those that arrived tell. */
  readonly expected: number;
  /** Payload bytes of those that arrived. */
  readonly bytes: number;
  /** The send time of the record heard last: the sender's clock, microseconds. */
  readonly echo: number;
  /** How long ago that was, microseconds. */
  readonly hold: number;
  /** The receiver's clock, microseconds. */
  readonly clock: number;
  /** Least delay of the latest records beyond the least of the last minute, in microseconds. */
  readonly queueDelay: number;
  /** Mean deviation of the delay (RFC 3550, 6.4.1), microseconds. */
  readonly jitter: number;
}

export function encodePathFeedback(feedback: PathFeedback): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(PATH_FEEDBACK_LENGTH);
  putUint32(bytes, 0, feedback.received);
  putUint32(bytes, 4, feedback.expected);
  putUint32(bytes, 8, feedback.bytes);
  putUint32(bytes, 12, feedback.echo);
  putUint32(bytes, 16, feedback.hold);
  putUint32(bytes, 20, feedback.clock);
  putUint32(bytes, 24, feedback.queueDelay);
  putUint32(bytes, 28, feedback.jitter);
  return bytes;
}

/** Without a DataView, for which the runtime would move the bytes out of its heap. */
function putUint32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}

/** Null for anything of another length: a later version may say more, and means something else. */
export function decodePathFeedback(payload: Uint8Array): PathFeedback | null {
  if (payload.length !== PATH_FEEDBACK_LENGTH) return null;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const field = (index: number) => view.getUint32(4 * index);
  return {
    received: field(0),
    expected: field(1),
    bytes: field(2),
    echo: field(3),
    hold: field(4),
    clock: field(5),
    queueDelay: field(6),
    jitter: field(7),
  };
}
