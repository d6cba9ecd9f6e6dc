/**
 * Verifies records of x1: finds the key of a record, and checks its counter for replay. The replay
 * window and the epoch move only after the record has been opened.
 */
import type { DropReason } from "../wire/drop_reason.ts";
import { CounterNonce, decodeNonce, type RecordHeader } from "../wire/header.ts";
import type { Cipher, ReceiveEpoch, ReceiveKeys } from "./key_epochs.ts";
import type { RecordAge, RecordVerifier } from "./packet_protection.ts";

export class CounterRecordVerifier<O extends Cipher> implements RecordVerifier<O> {
  refusal: DropReason = "not authentic";

  readonly #keys: ReceiveKeys<O>;
  readonly #ownDirection: number;
  readonly #nonce = new CounterNonce();
  #candidate: ReceiveEpoch<O>;

  /** @param ownDirection the direction byte of this side's own nonces. */
  constructor(keys: ReceiveKeys<O>, ownDirection: number) {
    this.#keys = keys;
    this.#ownDirection = ownDirection;
    this.#candidate = keys.current;
  }

  get counter(): number {
    return this.#nonce.counter;
  }

  openerFor(view: DataView, offset: number, header: RecordHeader, now: number): O | null {
    const nonce = this.#nonce;
    decodeNonce(view, offset, nonce);
    if (nonce.direction === this.#ownDirection) return this.#refuse("wrong direction");
    if (nonce.pathId !== header.pathId || nonce.counterHigh !== 0) {
      return this.#refuse("unknown sender");
    }
    const epoch = this.#keys.select(header.epoch, now);
    if (epoch === null) return this.#refuse("unknown epoch");
    const window = epoch.window(nonce.pathId, nonce.sender);
    const isFresh = window === null ? nonce.counter !== 0 : window.isFresh(nonce.counter);
    if (!isFresh) return this.#refuse("replayed");
    this.#candidate = epoch;
    return epoch.opener;
  }

  accept(now: number): RecordAge | null {
    const { pathId, sender, counter } = this.#nonce;
    const epoch = this.#candidate;
    const window = epoch.window(pathId, sender) ?? epoch.openWindow(pathId, sender);
    if (window === null) return this.#refuse("no room for path");
    const isHighest = counter > window.highest;
    if (!window.accept(counter)) return this.#refuse("replayed");
    this.#keys.confirm(epoch, now);
    // An attacker may have held back a record of the epoch before, whatever its counter.
    return isHighest && epoch === this.#keys.current ? "newest" : "older";
  }

  handleTimeout(now: number): void {
    this.#keys.handleTimeout(now);
  }

  free(): void {
    this.#keys.free();
  }

  #refuse(reason: DropReason): null {
    this.refusal = reason;
    return null;
  }
}
