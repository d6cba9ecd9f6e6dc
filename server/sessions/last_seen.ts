/** When each client was heard last, and when that is to be written down. Has no clock. */
import { SEEN_MAX, type SeenAt } from "./last_seen_file.ts";

/** A client that was away for so long has come back: who looks is to see it soon. */
const AWAY_MS = 60_000;
/** Otherwise it is written this often at most: the disk of a small machine wears out. */
const WRITE_EVERY_MS = 300_000;

/** Holds at most 1024 clients: the one heard least recently makes room. */
export class LastSeen {
  readonly #at: Map<string, number>;
  #writtenAtMs = -Infinity;
  #isChanged = false;
  #isNews = false;

  /** `before`: of an earlier server. Times are milliseconds since 1970. */
  constructor(before: SeenAt) {
    this.#at = new Map(before);
  }

  note(name: string, atMs: number): void {
    const before = this.#at.get(name) ?? -Infinity;
    if (atMs <= before) return;
    this.#isChanged = true;
    this.#isNews ||= atMs - before >= AWAY_MS;
    // The most recent is the last of the map.
    this.#at.delete(name);
    this.#at.set(name, atMs);
    if (this.#at.size > SEEN_MAX) this.#at.delete(this.#at.keys().next().value!);
  }

  /** What is to be written now; null for nothing. `how` "last": there is no later time. */
  due(nowMs: number, how: "in time" | "last"): SeenAt | null {
    const isDue = how === "last" || this.#isNews || nowMs - this.#writtenAtMs >= WRITE_EVERY_MS;
    if (!this.#isChanged || !isDue) return null;
    this.#isChanged = this.#isNews = false;
    this.#writtenAtMs = nowMs;
    return new Map(this.#at);
  }
}
