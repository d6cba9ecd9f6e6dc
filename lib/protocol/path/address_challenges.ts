/**
 * Validates the addresses that records come from (RFC 9000, section 8). An on-path attacker could
 * forward a record from elsewhere, and a client could forge its source address to have the server
 * flood a third party. Until an address has answered a challenge, it is sent at most three times the
 * bytes received from it.
 */
import { RECORD_OVERHEAD, TYPE_CONTROL } from "../wire/header.ts";
import { encodeTunnelMessage } from "../wire/tunnel_message.ts";
import type { Outbox } from "./outbox.ts";
import type { RandomSource } from "../crypto/packet_protection.ts";
import type { PeerAddress } from "./peer_address.ts";
import type { SessionPath } from "./session_path.ts";

/** Bytes sent for each received (RFC 9000, 8.1, has the same). */
const AMPLIFICATION = 3;
const TOKEN_BYTES = 16;
const RETRY_MS = 200;

/** The record that carries a challenge: its type, and its payload for a random token and an address. */
export interface ChallengeForm {
  readonly type: number;
  write(token: Uint8Array<ArrayBuffer>, peer: PeerAddress): Uint8Array<ArrayBuffer>;
}

/** The control message of x1. */
export const CHALLENGE_MESSAGE: ChallengeForm = {
  type: TYPE_CONTROL,
  write: (token, peer) =>
    encodeTunnelMessage({ type: "challenge", token: token.toHex(), seen: peer.toString() }),
};

interface Challenge {
  readonly path: SessionPath;
  readonly token: string;
  readonly payload: Uint8Array<ArrayBuffer>;
  sendAt: number;
  readonly expiresAt: number;
}

export class AddressChallenges {
  readonly #outbox: Outbox;
  readonly #random: RandomSource;
  readonly #form: ChallengeForm;
  readonly #open = new Map<number, Challenge>();

  constructor(outbox: Outbox, random: RandomSource, form = CHALLENGE_MESSAGE) {
    this.#outbox = outbox;
    this.#random = random;
    this.#form = form;
  }

  /** Whether any address has still to answer. */
  get isWaiting(): boolean {
    return this.#open.size > 0;
  }

  /**
   * A path leads to an address that has proved nothing yet. It takes the place of another with the
   * same id.
   */
  begin(path: SessionPath, now: number, expiresAt = Infinity): void {
    const token = new Uint8Array(TOKEN_BYTES);
    this.#random(token);
    path.amplificationCredit = 0;
    const payload = this.#form.write(token, path.peer);
    this.#open.set(path.id, { path, token: token.toHex(), payload, sendAt: now, expiresAt });
  }

  /** Hot. A record of `bytes` payload has come from the address of `path`. */
  noteReceived(path: SessionPath, bytes: number, now: number): void {
    path.amplificationCredit += AMPLIFICATION * (bytes + RECORD_OVERHEAD);
    this.handleTimeout(now);
  }

  /**
   * Takes an answer that came from the present address of the path. False: it is wrong. One more
   * after the right one answers a challenge that was repeated.
   */
  answer(path: SessionPath, token: string): boolean {
    const challenge = this.#open.get(path.id);
    if (challenge === undefined) return true;
    if (challenge.token !== token) return false;
    this.#open.delete(path.id);
    path.amplificationCredit = Infinity;
    return true;
  }

  /** What is asked as the path `id`, or null. */
  asked(id: number): SessionPath | null {
    return this.#open.get(id)?.path ?? null;
  }

  /** Takes an answer that came on any path. Returns the path it proves, or null. */
  answerAnywhere(token: string): SessionPath | null {
    for (const { path, token: asked } of this.#open.values()) {
      if (token === asked && this.answer(path, token)) return path;
    }
    return null;
  }

  forget(path: SessionPath): void {
    this.#open.delete(path.id);
  }

  /** Sends the challenges that are due. */
  handleTimeout(now: number): void {
    for (const challenge of this.#open.values()) {
      const { path, payload } = challenge;
      if (now >= challenge.expiresAt) {
        this.#open.delete(path.id);
        continue;
      }
      if (now < challenge.sendAt) continue;
      challenge.sendAt = now + RETRY_MS;
      if (path.amplificationCredit < payload.length + RECORD_OVERHEAD) continue;
      this.#outbox.transmit({ type: this.#form.type, path, payload });
    }
  }

  nextDeadline(): number {
    let next = Infinity;
    for (const { sendAt } of this.#open.values()) next = Math.min(next, sendAt);
    return next;
  }
}
