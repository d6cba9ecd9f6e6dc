/**
 * Tells whether a handshake or heartbeat of a v1 peer is new. v1 has no replay window, and without
 * this a copy of an old datagram, sent from anywhere, would open a path to wherever it came from.
 *
 * A handshake is new when its nonce was never seen; a heartbeat also has to be as young as the
 * youngest one, give or take what paths differ by, so only the nonces of young ones are remembered.
 */
import {
  HEADER_LENGTH,
  NONCE_LENGTH,
  PAYLOAD_OFFSET,
  type RecordHeader,
  TYPE_HEARTBEAT,
} from "../wire/header.ts";
import { decodeHeartbeat, HEARTBEAT_LENGTH } from "../wire/heartbeat.ts";

/**
 * A v1 client sends one whenever it gives a path up, for hours. One older than these opens a path that
 * gets nothing before its address has proved itself.
 */
const HANDSHAKES_MAX = 1024;
const HEARTBEATS_MAX = 256;
const YOUTH_MS = 2000;

export class V1Freshness {
  readonly #handshakes = new Set<string>();
  readonly #heartbeats = new Set<string>();
  #youngest = -Infinity;

  /** Remembers the authentic record at `offset`, opened in place, and answers whether it is new. */
  see(header: RecordHeader, view: DataView, offset: number): boolean {
    const bytes = (start: number, length: number) =>
      new Uint8Array(view.buffer, view.byteOffset + offset + start, length);
    const nonce = bytes(HEADER_LENGTH, NONCE_LENGTH).join(".");
    if (header.type !== TYPE_HEARTBEAT) {
      if (this.#handshakes.has(nonce)) return false;
      this.#handshakes.add(nonce);
      forgetOldest(this.#handshakes, HANDSHAKES_MAX);
      return true;
    }
    if (header.payloadLength !== HEARTBEAT_LENGTH) return false;
    const clock = decodeHeartbeat(bytes(PAYLOAD_OFFSET, HEARTBEAT_LENGTH))!;
    if (clock < this.#youngest - YOUTH_MS || this.#heartbeats.has(nonce)) return false;
    this.#youngest = Math.max(this.#youngest, clock);
    this.#heartbeats.add(nonce);
    forgetOldest(this.#heartbeats, HEARTBEATS_MAX);
    return true;
  }
}

function forgetOldest(nonces: Set<string>, kept: number): void {
  if (nonces.size <= kept) return;
  for (const oldest of nonces) {
    nonces.delete(oldest);
    return;
  }
}
