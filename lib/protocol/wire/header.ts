/**
 * The datagram of the data plane: header (22) || nonce (12) || ciphertext || tag (16). Integers are
 * big-endian; the header is the additional authenticated data.
 *
 *     0        1      2           6            10         12                              22
 *     | version | type | session   | sequence   | length   | reserved                      |
 *     |         |      | u32       | u32        | u16      | 10 bytes                      |
 *
 * The reserved bytes of x1 (all but the first are 0 in v1):
 *
 *     12            13      14        15      16                20          22
 *     | compression | flags | path id | epoch | send time u32   | stream u16 |
 *
 * The nonce of x1 (12 random bytes in v1):
 *
 *     0           1         2            4                           12
 *     | direction | path id | sender u16 | counter u64                |
 */
import type { DropReason } from "./drop_reason.ts";

const VERSION = 1;
export const HEADER_LENGTH = 22;
export const NONCE_LENGTH = 12;
export const TAG_LENGTH = 16;
/** Bytes of the session key and of every key derived from it (AES-256). */
export const KEY_LENGTH = 32;
/** Where the ciphertext starts. */
export const PAYLOAD_OFFSET = HEADER_LENGTH + NONCE_LENGTH;
/** What a record is longer than its payload. */
export const RECORD_OVERHEAD = HEADER_LENGTH + NONCE_LENGTH + TAG_LENGTH;

export const TYPE_PACKET = 1;
export const TYPE_HEARTBEAT = 2;
export const TYPE_HANDSHAKE = 3;
export const TYPE_CONTROL = 4;
/** x1: what the receiver of a path tells its sender. */
export const TYPE_PATH_FEEDBACK = 5;
/** x1, between peers that agreed on it: which records of a path arrived. */
export const TYPE_ACKNOWLEDGEMENT = 6;
/** x1, between peers that agreed on it: the parity of packet records of another path. */
export const TYPE_REPAIR = 7;

export const COMPRESSION_NONE = 0;
export const COMPRESSION_GZIP = 1;
/** x1, between peers that have one dictionary: a frame of zstd. */
export const COMPRESSION_ZSTD = 2;

/** x1: the packet goes through the reorder buffer of its stream. */
export const FLAG_ORDERED = 1;
/** x1: the TCP or UDP checksum field holds the sum of the pseudo-header only. */
export const FLAG_PARTIAL_CHECKSUM = 2;
/** x1, between peers that agreed on it: the plaintext ends with the 8-byte order extension. */
export const FLAG_ORDER_EXTENSION = 4;
/** x1: one of several copies on different paths, all of one sequence number. */
export const FLAG_COPY = 8;

export const DIRECTION_CLIENT_TO_SERVER = 0;
export const DIRECTION_SERVER_TO_CLIENT = 1;

const OFFSET_TYPE = 1;
/** Of x1 and v1. */
export const OFFSET_SESSION = 2;
const OFFSET_SEQUENCE = 6;
const OFFSET_LENGTH = 10;
const OFFSET_RESERVED = 12;
const OFFSET_SEND_TIME = 16;
const OFFSET_STREAM = 20;
const OFFSET_NONCE = HEADER_LENGTH;
const OFFSET_COUNTER = OFFSET_NONCE + 4;

/** Streams of one session and direction that a receiver tells apart (x1). A power of 2. */
export const STREAMS_MAX = 64;

/** The fields of a header and its nonce; one is reused for every datagram. */
export class RecordHeader {
  type = 0;
  /** The session id as a signed 32-bit number: a small integer to the engine, so a cheap map key. */
  session = 0;
  sequence = 0;
  payloadLength = 0;
  compression = 0;
  flags = 0;
  pathId = 0;
  epoch = 0;
  /** Sender's monotonic clock, microseconds mod 2^32. */
  sendTime = 0;
  stream = 0;
}

/** Parts of an x1 nonce; meaningless for v1. */
export class CounterNonce {
  direction = 0;
  pathId = 0;
  sender = 0;
  counterHigh = 0;
  counter = 0;
}

/**
 * Reads the header of the `length` bytes at `offset` into `header`. Nothing in it is to be believed
 * before the record has been opened.
 * @returns why the datagram must be dropped, or null.
 */
export function decodeHeader(
  view: DataView,
  offset: number,
  length: number,
  header: RecordHeader,
): DropReason | null {
  if (length < RECORD_OVERHEAD) return "too short";
  if (view.getUint8(offset) !== VERSION) return "unknown version";
  const type = view.getUint8(offset + OFFSET_TYPE);
  if (type < TYPE_PACKET || type > TYPE_REPAIR) return "unknown type";
  if (view.getUint16(offset + OFFSET_LENGTH) !== length - HEADER_LENGTH) return "length mismatch";
  header.type = type;
  header.session = view.getInt32(offset + OFFSET_SESSION);
  header.sequence = view.getUint32(offset + OFFSET_SEQUENCE);
  header.payloadLength = length - RECORD_OVERHEAD;
  const reserved = view.getUint32(offset + OFFSET_RESERVED);
  header.compression = reserved >>> 24;
  header.flags = (reserved >>> 16) & 0xff;
  header.pathId = (reserved >>> 8) & 0xff;
  header.epoch = reserved & 0xff;
  header.sendTime = view.getUint32(offset + OFFSET_SEND_TIME);
  header.stream = view.getUint16(offset + OFFSET_STREAM);
  return null;
}

/** Writes all 22 bytes of `header` at `offset`. */
export function encodeHeader(view: DataView, offset: number, header: RecordHeader): void {
  view.setUint8(offset, VERSION);
  view.setUint8(offset + OFFSET_TYPE, header.type);
  view.setInt32(offset + OFFSET_SESSION, header.session);
  view.setUint32(offset + OFFSET_SEQUENCE, header.sequence);
  view.setUint16(offset + OFFSET_LENGTH, NONCE_LENGTH + header.payloadLength + TAG_LENGTH);
  view.setUint32(
    offset + OFFSET_RESERVED,
    (header.compression << 24) | (header.flags << 16) | (header.pathId << 8) | header.epoch,
  );
  view.setUint32(offset + OFFSET_SEND_TIME, header.sendTime);
  view.setUint16(offset + OFFSET_STREAM, header.stream);
}

/** Reads the x1 nonce of the record at `offset`. */
export function decodeNonce(view: DataView, offset: number, nonce: CounterNonce): void {
  const prefix = view.getUint32(offset + OFFSET_NONCE);
  nonce.direction = prefix >>> 24;
  nonce.pathId = (prefix >>> 16) & 0xff;
  nonce.sender = prefix & 0xffff;
  nonce.counterHigh = view.getUint32(offset + OFFSET_COUNTER);
  nonce.counter = view.getUint32(offset + OFFSET_COUNTER + 4);
}

/** Writes the x1 nonce of the record at `offset`, for sender 0 and a counter below 2^32. */
export function encodeNonce(
  view: DataView,
  offset: number,
  direction: number,
  pathId: number,
  counter: number,
): void {
  view.setUint32(offset + OFFSET_NONCE, (direction << 24) | (pathId << 16));
  view.setUint32(offset + OFFSET_COUNTER, 0);
  view.setUint32(offset + OFFSET_COUNTER + 4, counter);
}
