/**
 * What is prescribed for clients of several servers. Of each client the latest change wins, on whichever
 * server it was made. This server's own file is the copy at hand: `fluxify-server client` writes it, and
 * so does what other servers tell.
 */
import { messageOf } from "../../../lib/ffi/error_text.ts";
import type { ClientSettings } from "../../clients/client_settings.ts";
import type { SettingsStore } from "../../clients/settings_store.ts";
import { encodeSettings } from "../../clients/settings_text.ts";
import { encodeClient } from "./entries.ts";
import type { KeyValue, StoredValue } from "./key_value.ts";

/** A write that another server was faster with is tried again. */
const ATTEMPTS_MAX = 8;
/** As many as the file of a server holds. */
const CLIENTS_MAX = 65_536;

interface SharedSettingsParts {
  readonly store: () => KeyValue | null;
  readonly failed: (error: unknown) => void;
  /** Takes in a value that was read, as the watch does. */
  readonly take: (value: StoredValue) => void;
  readonly warn: (line: string) => void;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
}

/** What the store has of a client. */
interface Known {
  readonly settings: ClientSettings;
  readonly atMs: number;
  /** 0: not there as far as is known. */
  readonly revision: number;
}

export class SharedSettings {
  readonly #parts: SharedSettingsParts;
  #local: SettingsStore | null = null;
  readonly #known = new Map<string, Known>();
  /** Changes made here that the store does not know, and when they were made. */
  readonly #changedAtMs = new Map<string, number>();
  /** Clients whose settings here are not yet those of the store. */
  readonly #unapplied = new Set<string>();
  #isApplying = false;
  /** Whether all that the store has is known: what it has, is then applied in one step. */
  #isCurrent = false;
  #isPublishing = false;
  #isPublishingWanted = false;
  #saidProblem: string | null = null;

  constructor(parts: SharedSettingsParts) {
    this.#parts = parts;
  }

  get pendingWrites(): number {
    return this.#changedAtMs.size;
  }

  /** From now on `local` is shared, until it is disposed of. */
  share(local: SettingsStore): Disposable {
    this.#local = local;
    const watch = local.watch((names) => this.#changed(names));
    for (const [name, known] of this.#known) this.#compare(name, known);
    void this.publish();
    return {
      [Symbol.dispose]: () => {
        watch[Symbol.dispose]();
        this.#local = null;
      },
    };
  }

  /** The store is about to be read anew. */
  begin(): void {
    this.#isCurrent = false;
    for (const [name, known] of this.#known) this.#known.set(name, { ...known, revision: 0 });
  }

  /** False: there are too many to keep one more. */
  take(name: string, { settings, atMs }: Omit<Known, "revision">, revision: number): boolean {
    const before = this.#known.get(name);
    if (before === undefined && this.#known.size >= CLIENTS_MAX) return false;
    if (before !== undefined && before.revision > revision) return true;
    const known = { settings, atMs, revision };
    this.#known.set(name, known);
    this.#compare(name, known);
    return true;
  }

  /** All that the store has, has been told. */
  current(): Promise<void> {
    this.#isCurrent = true;
    void this.#apply();
    return this.publish();
  }

  /** Somebody has deleted an entry: it is made again. */
  takeRemoval(name: string): void {
    const known = this.#known.get(name);
    if (known === undefined) return;
    this.#known.set(name, { ...known, revision: 0 });
    void this.publish();
  }

  /** Puts into the store what it does not have. */
  async publish(): Promise<void> {
    this.#isPublishingWanted = true;
    if (this.#isPublishing) return;
    this.#isPublishing = true;
    try {
      while (this.#isPublishingWanted) {
        this.#isPublishingWanted = false;
        if (this.#local === null || this.#parts.store() === null) return;
        this.#addUnknown(this.#local);
        for (const [name, atMs] of [...this.#changedAtMs]) await this.#put(name, atMs);
      }
    } catch (error) {
      this.#parts.failed(error);
    } finally {
      this.#isPublishing = false;
    }
  }

  /** The file has changed, by an operator or by what the store has told. */
  #changed(names: readonly string[]): void {
    for (const name of names) {
      const known = this.#known.get(name);
      if (known !== undefined && this.#isLocal(name, known.settings)) continue;
      // Later than what it changes, also by another server's clock.
      const beforeMs = Math.max(this.#changedAtMs.get(name) ?? 0, known?.atMs ?? 0);
      this.#changedAtMs.set(name, Math.max(this.#parts.nowMs(), beforeMs + 1));
    }
    void this.publish();
  }

  #compare(name: string, { settings, atMs }: Known): void {
    if (this.#local === null) return;
    const changedAtMs = this.#changedAtMs.get(name);
    if (changedAtMs !== undefined && changedAtMs > atMs) return;
    this.#changedAtMs.delete(name);
    if (this.#isLocal(name, settings)) return;
    this.#unapplied.add(name);
    void this.#apply();
  }

  #isLocal(name: string, settings: ClientSettings): boolean {
    const local = this.#local?.get(name);
    return local !== undefined && encodeSettings(local) === encodeSettings(settings);
  }

  /** What the store never had, or has lost. */
  #addUnknown(local: SettingsStore): void {
    for (const [name] of local.list()) {
      if (!this.#known.has(name) && !this.#changedAtMs.has(name)) this.#changedAtMs.set(name, 0);
    }
    for (const [name, { revision, atMs }] of this.#known) {
      if (revision === 0 && !this.#changedAtMs.has(name)) this.#changedAtMs.set(name, atMs);
    }
  }

  /** @throws Error when the store does not answer */
  async #put(name: string, atMs: number): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const store = this.#parts.store();
      // Taken back by what the store has told meanwhile, or changed again.
      if (store === null || this.#local === null) return;
      if (this.#changedAtMs.get(name) !== atMs) return;
      const settings = this.#local.get(name);
      const { key, value } = encodeClient(name, { settings, atMs });
      let revision = await store.write(key, value, this.#known.get(name)?.revision ?? 0);
      if (revision === "conflict") {
        const found = await store.read(key);
        if (found !== null && found.value !== null) {
          this.#parts.take(found);
          continue;
        }
        revision = await store.write(key, value, found?.revision ?? 0);
        if (revision === "conflict") continue;
      }
      if (this.#changedAtMs.get(name) === atMs) this.#changedAtMs.delete(name);
      this.take(name, { settings, atMs }, revision);
      return;
    }
  }

  /** Writes what the store has into the file. */
  async #apply(): Promise<void> {
    if (this.#isApplying || !this.#isCurrent) return;
    this.#isApplying = true;
    let problem: string | null = null;
    try {
      let refused: ReadonlyMap<string, string> = new Map();
      // What comes meanwhile is looked at as well; what is refused waits for the next change.
      while (this.#local !== null && [...this.#unapplied].some((name) => !refused.has(name))) {
        const wanted = new Map([...this.#unapplied].map((name) => [name, this.#known.get(name)!]));
        const settings = [...wanted].map(([name, known]) => [name, known.settings] as const);
        refused = await this.#local.replace(new Map(settings));
        for (const [name, known] of wanted) {
          if (!refused.has(name) && this.#known.get(name) === known) this.#unapplied.delete(name);
        }
        problem = [...refused.values()][0] ?? null;
      }
    } catch (error) {
      problem = messageOf(error);
    } finally {
      this.#isApplying = false;
    }
    if (problem !== null && problem !== this.#saidProblem) {
      this.#parts.warn(`cannot follow the settings of ${this.#unapplied.size} clients: ${problem}`);
    }
    this.#saidProblem = problem;
  }
}
