import { HEADER_LENGTH } from "../wire/header.ts";

const NONCES_MAX = 1024;
const LOW_BITS = 0x1_0000;

/**
 * The nonces of this side's latest control records. v1 uses one key for both directions, so a record
 * reflected to its sender opens like one of the peer; only its nonce gives it away. (For packets, the
 * addresses inside do.) Keeps the latest 1024, of 48 bits each.
 */
export class OwnNonces {
  readonly #nonces = new Set<number>();

  /** The record at `offset` is one of this side's. */
  add(view: DataView, offset: number): void {
    this.#nonces.add(nonceAt(view, offset));
    if (this.#nonces.size <= NONCES_MAX) return;
    for (const oldest of this.#nonces) {
      this.#nonces.delete(oldest);
      return;
    }
  }

  /** Whether the record at `offset` is one of this side's. */
  has(view: DataView, offset: number): boolean {
    return this.#nonces.has(nonceAt(view, offset));
  }
}

function nonceAt(view: DataView, offset: number): number {
  const nonce = offset + HEADER_LENGTH;
  return view.getUint32(nonce) * LOW_BITS + view.getUint16(nonce + 4);
}
