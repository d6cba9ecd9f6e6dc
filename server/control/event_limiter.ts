const KINDS_MAX = 1024;

/**
 * Keeps the log readable while strangers knock: of each kind of event at most `lines` pass in a
 * period, the rest are counted and reported with the next one that passes. Kinds are words of our
 * own, or names that our authority has signed; those of which nothing was seen for longest are
 * forgotten first.
 */
export class EventLimiter {
  readonly #lines: number;
  readonly #periodMs: number;
  readonly #kinds = new Map<string, { startedAtMs: number; lines: number; suppressed: number }>();

  constructor(lines: number, periodMs: number) {
    this.#lines = lines;
    this.#periodMs = periodMs;
  }

  /**
   * Says whether an event of `kind` at `nowMs` (of any steady clock) may be logged: null for no, else
   * the number of events of this kind kept back since the last one logged.
   */
  admit(kind: string, nowMs: number): number | null {
    const state = this.#kinds.get(kind) ?? { startedAtMs: nowMs, lines: 0, suppressed: 0 };
    this.#kinds.delete(kind);
    this.#kinds.set(kind, state);
    if (this.#kinds.size > KINDS_MAX) this.#kinds.delete(this.#kinds.keys().next().value!);
    if (nowMs - state.startedAtMs >= this.#periodMs) {
      state.startedAtMs = nowMs;
      state.lines = 0;
    }
    if (state.lines >= this.#lines) {
      state.suppressed++;
      return null;
    }
    state.lines++;
    const suppressed = state.suppressed;
    state.suppressed = 0;
    return suppressed;
  }
}
