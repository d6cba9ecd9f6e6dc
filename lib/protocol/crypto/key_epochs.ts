/**
 * The keys of one session and direction, by epoch (x1). A sender starts a new epoch after a number of
 * packets or some time. A receiver accepts the current epoch, past ones for a while, and the next few,
 * since all packets of an epoch may get lost. The first authentic packet of a later epoch makes it the
 * current one. Keys are wiped when they are no longer needed.
 */
import { PATH_IDS } from "../wire/path_id.ts";
import { ReplayWindow } from "./replay_window.ts";
import { nextKey, wipeKey } from "./key_schedule.ts";

/** Something that holds an expanded key, made by the engine. */
export interface Cipher {
  /** Wipes the key. */
  free(): void;
}

/** How an engine makes ciphers from 32-byte AES-256 keys. It copies the key it is given. */
export interface CipherSuite<S extends Cipher, O extends Cipher> {
  sealer(key: Uint8Array): S;
  opener(key: Uint8Array): O;
}

export const EPOCH_PACKETS = 2 ** 26;
export const EPOCH_MS = 120_000;
const PAST_EPOCH_KEPT_MS = 10_000;
/** Future epochs that are accepted. */
const EPOCHS_AHEAD_MAX = 8;
/** Enough for epochs of a second, the shortest there are. */
const PAST_EPOCHS_MAX = 11;
/** Replay windows of one key: every path, and a few that send from several threads. */
const WINDOWS_MAX = 512;

export interface EpochLimits {
  readonly packets: number;
  readonly ms: number;
}

export class SendKeys<S extends Cipher> {
  sealer: S;
  /** Low 8 bits of the epoch, as the wire has it. */
  epoch = 0;
  readonly #suite: CipherSuite<S, Cipher>;
  readonly #limits: EpochLimits;
  #key: Uint8Array;
  #counters = new Uint32Array(PATH_IDS);
  #packets = 0;
  #startedAt: number;

  /** Takes `key` over and wipes it in the end. */
  constructor(
    suite: CipherSuite<S, Cipher>,
    key: Uint8Array,
    limits: EpochLimits,
    now: number,
  ) {
    this.#suite = suite;
    this.#key = key;
    this.#limits = limits;
    this.#startedAt = now;
    this.sealer = suite.sealer(key);
  }

  /** Hot. The next counter on `pathId`, from 1; never the same twice under a key. */
  nextCounter(pathId: number): number {
    this.#packets++;
    return ++this.#counters[pathId]!;
  }

  /**
   * Moves to the next epoch when this one has reached its limit. Call it once per batch: the limit of
   * packets is far enough below 2^28, the most a key may carry, for any batch. An unused epoch
   * continues, since the receiver would not follow past an epoch it never saw.
   */
  advanceIfDue(now: number): void {
    const limits = this.#limits;
    if (this.#packets === 0) return;
    if (this.#packets < limits.packets && now - this.#startedAt < limits.ms) return;
    const key = nextKey(this.#key);
    wipeKey(this.#key);
    this.sealer.free();
    this.#key = key;
    this.sealer = this.#suite.sealer(key);
    this.epoch = (this.epoch + 1) & 0xff;
    this.#counters.fill(0);
    this.#packets = 0;
    this.#startedAt = now;
  }

  free(): void {
    wipeKey(this.#key);
    this.sealer.free();
  }
}

/** One key a receiver accepts, with the counters it has seen under it. */
export class ReceiveEpoch<O extends Cipher> {
  /** By path id, for sender 0, the only one most peers have. */
  readonly #windows: (ReplayWindow | null)[] = new Array(PATH_IDS).fill(null);
  readonly #otherWindows = new Map<number, ReplayWindow>();
  #count = 0;

  constructor(readonly epoch: number, readonly key: Uint8Array, readonly opener: O) {}

  /** The window of a path and sender, or null before its first authentic packet. */
  window(pathId: number, sender: number): ReplayWindow | null {
    return sender === 0
      ? this.#windows[pathId]!
      : this.#otherWindows.get((sender << 8) | pathId) ?? null;
  }

  /** Makes the window, or returns null when there are too many. For authentic packets only. */
  openWindow(pathId: number, sender: number): ReplayWindow | null {
    if (this.#count >= WINDOWS_MAX) return null;
    this.#count++;
    const window = new ReplayWindow();
    if (sender === 0) this.#windows[pathId] = window;
    else this.#otherWindows.set((sender << 8) | pathId, window);
    return window;
  }

  free(): void {
    wipeKey(this.key);
    this.opener.free();
  }
}

export class ReceiveKeys<O extends Cipher> {
  readonly #suite: CipherSuite<Cipher, O>;
  #current: ReceiveEpoch<O>;
  /** The latest first; each with the time from which it is no longer accepted. */
  readonly #past: { epoch: ReceiveEpoch<O>; until: number }[] = [];
  /** Those that follow the present one, in order, as far as somebody has asked for them. */
  #ahead: ReceiveEpoch<O>[] = [];

  /** Takes `key` over. */
  constructor(suite: CipherSuite<Cipher, O>, key: Uint8Array) {
    this.#suite = suite;
    this.#current = new ReceiveEpoch(0, key, suite.opener(key));
  }

  /** The present epoch: the newest of which an authentic record has come. */
  get current(): ReceiveEpoch<O> {
    return this.#current;
  }

  /** Hot. What may open a record that names `epoch` (8 bits), or null. */
  select(epoch: number, now: number): ReceiveEpoch<O> | null {
    if (epoch === this.#current.epoch) return this.#current;
    for (const past of this.#past) {
      if (epoch === past.epoch.epoch) return now < past.until ? past.epoch : null;
    }
    const distance = (epoch - this.#current.epoch) & 0xff;
    if (distance > EPOCHS_AHEAD_MAX) return null;
    while (this.#ahead.length < distance) {
      const last = this.#ahead.at(-1) ?? this.#current;
      const key = nextKey(last.key);
      const number = (last.epoch + 1) & 0xff;
      this.#ahead.push(new ReceiveEpoch(number, key, this.#suite.opener(key)));
    }
    return this.#ahead[distance - 1]!;
  }

  /** Hot. A record of `epoch` was authentic: a later epoch becomes the current one. */
  confirm(epoch: ReceiveEpoch<O>, now: number): void {
    if (epoch === this.#current) return;
    const index = this.#ahead.indexOf(epoch);
    if (index < 0) return;
    // Records of the epochs that were skipped may still arrive.
    for (const passed of [this.#current, ...this.#ahead.slice(0, index)]) {
      if (this.#past.length === PAST_EPOCHS_MAX) this.#past.pop()!.epoch.free();
      this.#past.unshift({ epoch: passed, until: now + PAST_EPOCH_KEPT_MS });
    }
    this.#current = epoch;
    this.#ahead = this.#ahead.slice(index + 1);
  }

  /** Wipes the keys of epochs before whose time is over. */
  handleTimeout(now: number): void {
    while (this.#past.length > 0 && now >= this.#past.at(-1)!.until) {
      this.#past.pop()!.epoch.free();
    }
  }

  free(): void {
    this.#current.free();
    for (const { epoch } of this.#past) epoch.free();
    this.#past.length = 0;
    for (const epoch of this.#ahead) epoch.free();
    this.#ahead = [];
  }
}
