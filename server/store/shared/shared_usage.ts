/**
 * Follows what clients have carried on other servers, and tells the store what they have carried here:
 * every two seconds, of so many clients at most, those that wait longest first. Never per packet.
 */
import type { LocalUsage, UsageElsewhere } from "../server_store.ts";
import { encodeUsage, usageKey } from "./entries.ts";
import type { KeyValue, StoredValue } from "./key_value.ts";
import type { UsageCounters, UsageValue } from "./usage_counters.ts";

/** How often this server tells. */
export const USAGE_REPORT_MS = 2_000;
/** Writes in that time, at most. */
const REPORTS_MAX = 100;
/** At a time. */
const WRITERS = 8;
/** A write that another one was faster with is tried again. */
const ATTEMPTS_MAX = 8;
const SAVE_EVERY_MS = 15_000;

interface SharedUsageParts {
  readonly counters: UsageCounters;
  readonly store: () => KeyValue | null;
  readonly failed: (error: unknown) => void;
  /** Takes in a value that was read, as the watch does. */
  readonly take: (value: StoredValue) => void;
  /** Writes the counters to disk. Never rejects; false: it could not. */
  readonly save: () => Promise<boolean>;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  /** The month it is, as in `2026-11`. */
  readonly month: () => string;
}

export class SharedUsage {
  readonly #parts: SharedUsageParts;
  #local: LocalUsage | null = null;
  /** What that had when this run began, in the month it was. */
  #atStart: { readonly month: string; readonly bytes: ReadonlyMap<string, number> } | null = null;
  /** Clients of which there may be something to tell, the one that waits longest first. */
  readonly #due = new Set<string>();
  readonly #watchers = new Set<(name: string) => void>();
  /** Entries of others that the store has lost. */
  #lost: { name: string; id: string; value: UsageValue }[] = [];
  #month: string;
  #publishing: Promise<void> | null = null;
  #isChanged = false;
  /** Whether the id under which this server counts is on disk. */
  #isKept = false;
  #savedAtMs = -Infinity;

  constructor(parts: SharedUsageParts) {
    this.#parts = parts;
    this.#month = parts.month();
    parts.counters.forgetBefore(monthAfter(this.#month, -1));
  }

  /** Clients of which the store does not know all. */
  get pendingWrites(): number {
    return this.#due.size;
  }

  /** From now on the store is told what `local` has counted. */
  share(local: LocalUsage): UsageElsewhere {
    this.#local = local;
    const names = [...local.names()];
    const bytes = new Map(names.map((name) => [name, local.bytesOf(name)]));
    this.#atStart = { month: this.#parts.month(), bytes };
    for (const name of names) this.#due.add(name);
    local.watch((name) => void this.#due.add(name));
    return {
      bytesOf: (name) =>
        this.#parts.counters.elsewhere(name, this.#parts.month(), local.bytesOf(name)),
      watch: (changed) => void this.#watchers.add(changed),
    };
  }

  /** The store is about to be read anew. */
  begin(): void {
    this.#parts.counters.begin();
    for (const name of this.#local?.names() ?? []) this.#due.add(name);
  }

  /** @throws Error when it is of a month to come, or there are too many */
  take(name: string, id: string, { by, months }: UsageValue, revision: number): void {
    const { counters } = this.#parts;
    const month = this.#parts.month();
    const last = monthAfter(month, 1);
    const known = new Map([...months].filter(([each]) => each >= monthAfter(month, -1)));
    for (const each of known.keys()) if (each > last) throw new Error("its month has not come yet");
    if (known.size === 0 && id !== counters.id) return;
    const before = this.#elsewhere(name, month);
    counters.take(name, id, { by, months: known }, revision, (each) => ({
      now: this.#localOf(name, each),
      atStart: this.#atStart?.month === each ? this.#atStart.bytes.get(name) ?? 0 : 0,
    }));
    if (counters.due(name, month, this.#localOf(name, month)) !== null) this.#due.add(name);
    this.#isChanged = true;
    if (this.#elsewhere(name, month) === before) return;
    for (const told of this.#watchers) told(name);
  }

  takeRemoval(name: string, id: string, revision: number): void {
    this.#parts.counters.takeRemoval(name, id, revision);
    if (id === this.#parts.counters.id) this.#due.add(name);
  }

  /** All that the store has, has been told: what it has lost is put back, a part each time. */
  current(): Promise<void> {
    this.#lost = [...this.#parts.counters.lost()];
    return this.publish();
  }

  /** Tells the store of up to `limit` clients. To be called every USAGE_REPORT_MS. Never rejects. */
  publish(limit = REPORTS_MAX): Promise<void> {
    this.#publishing ??= this.#publish(limit).finally(() => this.#publishing = null);
    return this.#publishing;
  }

  /** Tells the store all there is; when it does not answer, what was not told stays due. */
  async flush(): Promise<void> {
    await this.#publishing;
    await this.publish(Infinity);
  }

  /** Writes the counters to disk, if they have changed. */
  async save(): Promise<void> {
    if (!this.#isChanged) return;
    this.#isChanged = false;
    this.#savedAtMs = this.#parts.nowMs();
    if (!await this.#parts.save()) this.#isChanged = true;
  }

  async #publish(limit: number): Promise<void> {
    this.#followMonth();
    if (this.#parts.nowMs() - this.#savedAtMs >= SAVE_EVERY_MS) await this.save();
    if (this.#local === null || this.#parts.store() === null) return;
    if (this.#due.size + this.#lost.length === 0) return;
    // Whoever counted under an id and forgot it would count the same again under another.
    if (!this.#isKept && !await this.#parts.save()) return;
    this.#isKept = true;
    const names = this.#takeDue(limit);
    const lost = this.#lost.splice(0, Math.max(0, limit - names.length));
    const tasks = [
      ...names.map((name) => (store: KeyValue) => this.#put(store, name)),
      ...lost.map((entry) => (store: KeyValue) => this.#putBack(store, entry)),
    ].values();
    const work = async () => {
      for (const task of tasks) {
        const store = this.#parts.store();
        if (store === null) return; // called again when it is there
        await task(store);
      }
    };
    try {
      await Promise.all(Array.from({ length: WRITERS }, work));
    } catch (error) {
      this.#parts.failed(error);
    }
  }

  /** The first of those that are due. After a reconnection all may be, and most are found in the store. */
  #takeDue(limit: number): string[] {
    const { counters } = this.#parts;
    const names: string[] = [];
    for (const name of this.#due) {
      if (names.length >= limit) break;
      if (counters.due(name, this.#month, this.#localOf(name, this.#month)) !== null) {
        names.push(name);
      } else this.#due.delete(name);
    }
    return names;
  }

  /** @throws Error when the store does not answer */
  async #put(store: KeyValue, name: string): Promise<void> {
    const { counters } = this.#parts;
    const month = this.#parts.month();
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const local = this.#localOf(name, month);
      const due = counters.due(name, month, local);
      if (due === null) break;
      const { key, value } = encodeUsage(name, counters.id, due.value);
      const revision = await store.write(key, value, due.expected);
      if (revision !== "conflict") {
        counters.written(name, month, due.value, local, revision);
        this.#isChanged = true;
        break;
      }
      const found = await store.read(key);
      if (found?.value != null) this.#parts.take(found);
      // What cannot be read is replaced.
      counters.expect(name, found?.revision ?? 0);
    }
    this.#due.delete(name);
    if (counters.due(name, month, this.#localOf(name, month)) !== null) this.#due.add(name);
  }

  /** @throws Error when the store does not answer */
  async #putBack(
    store: KeyValue,
    { name, id, value }: { name: string; id: string; value: UsageValue },
  ): Promise<void> {
    const entry = encodeUsage(name, id, value);
    if (await store.write(entry.key, entry.value, 0) !== "conflict") return;
    const found = await store.read(usageKey(name, id));
    if (found?.value != null) this.#parts.take(found);
  }

  #followMonth(): void {
    const month = this.#parts.month();
    if (month === this.#month) return;
    this.#month = month;
    this.#parts.counters.forgetBefore(monthAfter(month, -1));
    this.#isChanged = true;
  }

  #elsewhere(name: string, month: string): number {
    return this.#parts.counters.elsewhere(name, month, this.#localOf(name, month));
  }

  #localOf(name: string, month: string): number {
    return month === this.#parts.month() ? this.#local?.bytesOf(name) ?? 0 : 0;
  }
}

/** `2026-12`, one after `2026-11`. */
function monthAfter(month: string, months: number): string {
  const [year, number] = month.split("-").map(Number) as [number, number];
  const all = year * 12 + number - 1 + months;
  return `${String(Math.floor(all / 12)).padStart(4, "0")}-${
    String(all % 12 + 1).padStart(2, "0")
  }`;
}
