/**
 * Who has logged in: the token of the link that the program prints buys a session, which a cookie
 * carries. Wrong tries are limited for each address and in all, sessions by number and age. Has no
 * clock: times are milliseconds of any origin, never backwards.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { TokenBucket } from "../../protocol/packet/token_bucket.ts";

type LoginResult =
  | { readonly kind: "session"; readonly id: string }
  | { readonly kind: "wrong" | "too many" };

interface Session {
  readonly sinceMs: number;
  usedMs: number;
}

export const SESSIONS_MAX = 64;
export const IDLE_MS = 12 * 3_600_000;
export const AGE_MS = 7 * 86_400_000;
/** Wrong tries in a minute, from one address and from all. */
export const TRIES_OF_ONE = 5;
export const TRIES_OF_ALL = 30;
const MINUTE_SECONDS = 60;
const ADDRESSES_MAX = 256;

export class Logins {
  readonly #token: Uint8Array;
  readonly #newId: () => string;
  readonly #all = new TokenBucket(TRIES_OF_ALL / MINUTE_SECONDS, TRIES_OF_ALL);
  readonly #tries = new Map<string, TokenBucket>();
  /** The one used last is the last. */
  readonly #sessions = new Map<string, Session>();

  /** `newId` makes what nobody can guess. */
  constructor(token: string, newId: () => string) {
    this.#token = digest(token);
    this.#newId = newId;
  }

  /**
   * `from`: the address that asks. Only wrong tries count and are held back. Everybody on the machine,
   * or behind its proxy, asks from the same address as the owner, so a limit for right ones would let
   * any of them lock the owner out; and no number of tries finds 192 random bits.
   * The oldest session makes room for a new one.
   */
  logIn(token: string, from: string, nowMs: number): LoginResult {
    if (!timingSafeEqual(digest(token), this.#token)) {
      const isHeard = this.#triesOf(from).take(nowMs) && this.#all.take(nowMs);
      return { kind: isHeard ? "wrong" : "too many" };
    }
    const id = this.#newId();
    this.#sessions.set(digestText(id), { sinceMs: nowMs, usedMs: nowMs });
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size <= SESSIONS_MAX) break;
      this.#sessions.delete(oldest);
    }
    return { kind: "session", id };
  }

  isLoggedIn(id: string, nowMs: number): boolean {
    const key = digestText(id);
    const session = this.#sessions.get(key);
    if (session === undefined) return false;
    this.#sessions.delete(key);
    if (nowMs - session.sinceMs > AGE_MS || nowMs - session.usedMs > IDLE_MS) return false;
    session.usedMs = nowMs;
    this.#sessions.set(key, session);
    return true;
  }

  logOut(id: string): void {
    this.#sessions.delete(digestText(id));
  }

  #triesOf(from: string): TokenBucket {
    let bucket = this.#tries.get(from);
    if (bucket === undefined) {
      // Whoever has so many addresses meets the limit of all.
      if (this.#tries.size >= ADDRESSES_MAX) this.#tries.clear();
      bucket = new TokenBucket(TRIES_OF_ONE / MINUTE_SECONDS, TRIES_OF_ONE);
      this.#tries.set(from, bucket);
    }
    return bucket;
  }
}

/** Of one length whatever was sent, and in no order that its bytes would tell. */
function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}

function digestText(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}
