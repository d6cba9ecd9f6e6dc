/**
 * Datagrams of somebody who sees the tunnel's packets and can send any, but has no key: from noise
 * to exact copies. Offsets are those of docs/protocol.md, section 2, behind Ethernet, IPv4 and UDP.
 */

import { SeededRandom } from "../../scripts/emulator/random.ts";

const IP = 14;
const UDP = 34;
const PAYLOAD = 42;
const UDP_PROTOCOL = 17;
const ETHERTYPE_IPV4 = 0x0800;
const HEADER_LENGTH = 22;
const RECORD_OVERHEAD = 50;
const OFFSET_SESSION = 2;
const OFFSET_LENGTH = 10;
const PAYLOAD_MAX = 1472;

/** One real datagram: the frame's first 42 bytes, and a record. */
export interface Captured {
  head: Uint8Array;
  record: Uint8Array;
}

/** The records in a frame of the data plane; a frame may hold many before it is segmented. */
export function recordsIn(frame: Uint8Array, dataPort: number): Captured[] {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < PAYLOAD + RECORD_OVERHEAD || view.getUint16(12) !== ETHERTYPE_IPV4) return [];
  if (frame[IP] !== 0x45 || frame[IP + 9] !== UDP_PROTOCOL) return [];
  if (view.getUint16(UDP) !== dataPort && view.getUint16(UDP + 2) !== dataPort) return [];
  const captured: Captured[] = [];
  for (let at = PAYLOAD; at + RECORD_OVERHEAD <= frame.length;) {
    const length = HEADER_LENGTH + view.getUint16(at + OFFSET_LENGTH);
    if (at + length > frame.length) break;
    captured.push({ head: frame.slice(0, PAYLOAD), record: frame.slice(at, at + length) });
    at += length;
  }
  return captured;
}

/** How a datagram differs from a real one of the same direction. */
export const KINDS = [
  "random bytes",
  "valid header, random session",
  "valid header, true session",
  "truncated",
  "oversized",
  "one bit flipped",
  "replayed",
  "of the other direction",
] as const;
type Kind = typeof KINDS[number];

export class HostileFrames {
  readonly #random = new SeededRandom(7);

  /**
   * A frame of `kind` made from `real`; `other` is a real one of the other direction. `source` takes
   * the place of the sender's address and port.
   */
  make(
    kind: Kind,
    real: Captured,
    other: Captured,
    source: [address: number, port: number] | null,
  ): Uint8Array<ArrayBuffer> {
    const payload = this.#payload(kind, real, other);
    const frame = new Uint8Array(PAYLOAD + payload.length);
    frame.set(real.head);
    frame.set(payload, PAYLOAD);
    const view = new DataView(frame.buffer);
    if (source !== null) {
      view.setUint32(IP + 12, source[0]);
      view.setUint16(UDP, source[1]);
    }
    view.setUint16(IP + 2, frame.length - IP);
    view.setUint16(IP + 10, 0);
    view.setUint16(IP + 10, ipChecksum(view));
    view.setUint16(UDP + 4, frame.length - UDP);
    view.setUint16(UDP + 6, 0); // IPv4 allows no checksum
    return frame;
  }

  #payload(kind: Kind, { record }: Captured, other: Captured): Uint8Array {
    switch (kind) {
      case "random bytes":
        return this.#noise(this.#below(PAYLOAD_MAX));
      case "valid header, random session":
        return this.#withValidHeader(record, "random session");
      case "valid header, true session":
        return this.#withValidHeader(record, "true session");
      case "truncated":
        return record.slice(0, this.#below(record.length));
      case "oversized": {
        const longer = this.#noise(Math.min(PAYLOAD_MAX, record.length + 1 + this.#below(64)));
        longer.set(record.subarray(0, longer.length));
        return longer;
      }
      case "one bit flipped": {
        const flipped = record.slice();
        flipped[this.#below(flipped.length)]! ^= 1 << this.#below(8);
        return flipped;
      }
      case "replayed":
        return record;
      case "of the other direction":
        return other.record;
    }
  }

  #withValidHeader(record: Uint8Array, session: "random session" | "true session"): Uint8Array {
    const made = this.#noise(RECORD_OVERHEAD + this.#below(PAYLOAD_MAX - RECORD_OVERHEAD));
    const view = new DataView(made.buffer);
    made[0] = 1;
    made[1] = 1 + this.#below(4);
    if (session === "true session") {
      made.set(record.subarray(OFFSET_SESSION, OFFSET_SESSION + 4), OFFSET_SESSION);
      // Path, epoch and nonce too, so that nothing but the tag is wrong.
      if (this.#below(2) === 0) made.set(record.subarray(12, 16), 12);
      if (this.#below(2) === 0) made.set(record.subarray(HEADER_LENGTH, 30), HEADER_LENGTH);
    }
    view.setUint16(OFFSET_LENGTH, made.length - HEADER_LENGTH);
    return made;
  }

  #noise(length: number): Uint8Array<ArrayBuffer> {
    const noise = new Uint8Array(length);
    for (let i = 0; i < length; i++) noise[i] = this.#below(256);
    return noise;
  }

  #below(limit: number): number {
    return Math.floor(this.#random.next() * limit);
  }
}

/** RFC 791: the header's own sum, its field being 0. */
function ipChecksum(view: DataView): number {
  let sum = 0;
  for (let at = IP; at < UDP; at += 2) sum += view.getUint16(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
