/**
 * What the receiver of a path has of what was sent there (x1, type 6): counters with their gaps, so
 * that the sender can send again what is missing, and how the path delays.
 *
 *     0      1       2      3          4         8      12         16      20      24     28     32       36
 *     | path | epoch | gaps | reserved | highest | from | received | bytes | clock | echo | hold | delay  |
 *     36       40
 *     | jitter | gaps times: first missing u32, how many u16 ...
 *
 * All but the first four fields are u32; times are microseconds. What is neither in a gap nor below
 * `from` nor above `highest` has arrived. Counts are since the path began, modulo 2^32.
 */

export const ACKNOWLEDGEMENT_HEADER_LENGTH = 40;
const GAP_LENGTH = 6;
/** More gaps than that are told by the acknowledgements that follow. */
export const GAPS_MAX = 32;

/** One is reused: gaps are in arrays of {@link GAPS_MAX}. */
export class Acknowledgement {
  pathId = 0;
  /** Low 8 bits of the key epoch that the counters belong to. */
  epoch = 0;
  /** The highest counter that arrived. */
  highest = 0;
  /** The lowest counter that the message speaks of. */
  from = 0;
  received = 0;
  bytes = 0;
  /** The receiver's clock. */
  clock = 0;
  /** The send time of the record that arrived last, and how long ago it did. */
  echo = 0;
  hold = 0;
  /** Least of receiver's clock minus send time since the last message, modulo 2^32. */
  delay = 0;
  /** Mean deviation of that. */
  jitter = 0;
  gaps = 0;
  readonly gapStart = new Float64Array(GAPS_MAX);
  readonly gapLength = new Float64Array(GAPS_MAX);
}

export function encodeAcknowledgement(message: Acknowledgement): Uint8Array<ArrayBuffer> {
  const { gaps } = message;
  const bytes = new Uint8Array(ACKNOWLEDGEMENT_HEADER_LENGTH + gaps * GAP_LENGTH);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, message.pathId);
  view.setUint8(1, message.epoch);
  view.setUint8(2, gaps);
  view.setUint32(4, message.highest);
  view.setUint32(8, message.from);
  view.setUint32(12, message.received);
  view.setUint32(16, message.bytes);
  view.setUint32(20, message.clock);
  view.setUint32(24, message.echo);
  view.setUint32(28, message.hold);
  view.setUint32(32, message.delay);
  view.setUint32(36, message.jitter);
  for (let gap = 0; gap < gaps; gap++) {
    const at = ACKNOWLEDGEMENT_HEADER_LENGTH + gap * GAP_LENGTH;
    view.setUint32(at, message.gapStart[gap]!);
    view.setUint16(at + 4, message.gapLength[gap]!);
  }
  return bytes;
}

/** Returns false for what no receiver would say: wrong length, gaps outside or out of order. */
export function decodeAcknowledgement(payload: Uint8Array, message: Acknowledgement): boolean {
  if (payload.length < ACKNOWLEDGEMENT_HEADER_LENGTH) return false;
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const gaps = view.getUint8(2);
  if (gaps > GAPS_MAX || view.getUint8(3) !== 0) return false;
  if (payload.length !== ACKNOWLEDGEMENT_HEADER_LENGTH + gaps * GAP_LENGTH) return false;
  message.pathId = view.getUint8(0);
  message.epoch = view.getUint8(1);
  message.gaps = gaps;
  message.highest = view.getUint32(4);
  message.from = view.getUint32(8);
  message.received = view.getUint32(12);
  message.bytes = view.getUint32(16);
  message.clock = view.getUint32(20);
  message.echo = view.getUint32(24);
  message.hold = view.getUint32(28);
  message.delay = view.getUint32(32);
  message.jitter = view.getUint32(36);
  if (message.from > message.highest) return false;
  return readGaps(view, message);
}

function readGaps(view: DataView, message: Acknowledgement): boolean {
  let next = message.from;
  for (let gap = 0; gap < message.gaps; gap++) {
    const at = ACKNOWLEDGEMENT_HEADER_LENGTH + gap * GAP_LENGTH;
    const start = view.getUint32(at);
    const length = view.getUint16(at + 4);
    if (length === 0 || start < next || start + length > message.highest) return false;
    message.gapStart[gap] = start;
    message.gapLength[gap] = length;
    next = start + length + 1;
  }
  return true;
}
