/**
 * Keeps a connection to the store: watches it, writes this server's heartbeat, and begins anew, on
 * another machine of the store if there is one, when either fails. The heartbeat has to come back by the
 * watch: a connection that takes writes and tells nothing is none.
 */
import { messageOf } from "../../../lib/ffi/error_text.ts";
import type { EncodedEntry } from "./entries.ts";
import type { KeyValue, KeyValueService, StoredValue } from "./key_value.ts";

const BEAT_MS = 2_000;
/** A heartbeat that has not come back after so long never will. */
const ECHO_MS = 4_000;
/** Heartbeats in a row that are not taken: the store chooses a leader for up to some seconds. */
const MISSED_MAX = 3;
const BACKOFF_MS = { first: 200, most: 5_000 } as const;

interface StoreLinkParts {
  readonly service: KeyValueService;
  /** This server's own entry, made anew for each beat. */
  readonly beat: () => EncodedEntry;
  /** The whole store is about to be told. */
  readonly begin: () => void;
  readonly changed: (value: StoredValue) => void;
  /** All there is has been told; called again after each reconnection. */
  readonly current: () => void;
  /** For the operator. */
  readonly warn: (line: string) => void;
  /** Milliseconds of any origin. */
  readonly nowMs: () => number;
  /** Resolves early, never rejects, when aborted. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
  /** 0 to 1, so that servers do not come back all at once. */
  readonly random: () => number;
}

export class StoreLink implements AsyncDisposable {
  readonly #parts: StoreLinkParts;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #store: KeyValue | null = null;
  #problem: string | null = "it has not been reached yet";
  #saidProblem: string | null = null;
  #reachedAtMs: number | null = null;
  #echoed = 0;

  constructor(parts: StoreLinkParts) {
    this.#parts = parts;
    this.#done = this.#run();
  }

  /** The store, as long as all it has is known and it takes writes; else null. */
  get store(): KeyValue | null {
    return this.#problem === null ? this.#store : null;
  }

  /** Why it is not there; null when it is. */
  get problem(): string | null {
    return this.#problem;
  }

  /** When a heartbeat came back last, as `nowMs`; null: never. */
  get reachedAtMs(): number | null {
    return this.#reachedAtMs;
  }

  /** Something the store was asked has failed: it is asked whether it is there at all. */
  suspect(error: unknown): void {
    if (this.#problem === null) this.#away(messageOf(error));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let backoffMs: number = BACKOFF_MS.first;
    while (!signal.aborted) {
      const beforeMs = this.#reachedAtMs;
      try {
        await this.#hold();
      } catch (error) {
        if (!signal.aborted) this.#away(messageOf(error));
      }
      if (signal.aborted) return;
      backoffMs = this.#reachedAtMs === beforeMs
        ? Math.min(backoffMs * 2, BACKOFF_MS.most)
        : BACKOFF_MS.first;
      await this.#parts.pause(backoffMs * (0.5 + this.#parts.random()), signal);
    }
  }

  /** One connection, to its end. */
  async #hold(): Promise<void> {
    const { service, begin, changed } = this.#parts;
    const end = new AbortController();
    const signal = AbortSignal.any([end.signal, this.#stop.signal]);
    await using store = await service.connect(signal);
    this.#store = store;
    this.#echoed = 0;
    begin();
    const ownKey = this.#parts.beat().key;
    const watching = store.watch((value) => {
      changed(value);
      if (value.key === ownKey) this.#echoed = Math.max(this.#echoed, value.revision);
    }, signal);
    watching.catch(() => {}); // awaited below, unless the heart stops first
    try {
      await Promise.race([watching, this.#beat(store, signal)]);
    } finally {
      this.#store = null;
      end.abort();
    }
  }

  /** @throws Error when the store is not there any more */
  async #beat(store: KeyValue, signal: AbortSignal): Promise<void> {
    const { beat, nowMs, pause } = this.#parts;
    let missed = 0;
    let isFirst = true;
    while (!signal.aborted) {
      const { key, value } = beat();
      try {
        const revision = await store.write(key, value, "anything");
        // Another connection may be in use by now.
        if (signal.aborted) return;
        if (revision === "conflict") throw new Error("it refuses this server's own entry");
        const endMs = nowMs() + ECHO_MS;
        // Its echo comes after all that was written before it.
        while (this.#echoed < revision) {
          if (nowMs() > endMs) throw new Error("it takes what is written and does not tell of it");
          if (signal.aborted) return;
          await pause(20, signal);
        }
        missed = 0;
        this.#reachedAtMs = nowMs();
        if (isFirst || this.#problem !== null) this.#there();
        isFirst = false;
      } catch (error) {
        missed++;
        if (signal.aborted || missed >= MISSED_MAX) throw error;
        this.#away(messageOf(error));
      }
      await pause(missed > 0 ? BACKOFF_MS.first : BEAT_MS, signal);
    }
  }

  #there(): void {
    this.#problem = null;
    if (this.#saidProblem !== null) this.#parts.warn("the shared store is reached again");
    this.#saidProblem = null;
    this.#parts.current();
  }

  #away(problem: string): void {
    this.#problem = problem;
    if (this.#saidProblem === problem) return;
    if (this.#saidProblem === null) {
      this.#parts.warn(
        `cannot reach the shared store at ${this.#parts.service.place}: ${problem}; sessions go ` +
          "on, and clients that were there within the last day are let in",
      );
    }
    this.#saidProblem = problem;
  }
}
