/** Files that are fetched once, such as the bundle of a new client, by a name nobody can guess. */

interface OneTimeFile {
  readonly name: string;
  readonly text: string;
}

const FILES_MAX = 16;
export const FILE_MS = 10 * 60_000;

export class OneTimeFiles {
  readonly #files = new Map<string, OneTimeFile & { readonly untilMs: number }>();
  readonly #newId: () => string;

  constructor(newId: () => string) {
    this.#newId = newId;
  }

  /** Returns its name. The oldest of 16 makes room. */
  put(file: OneTimeFile, nowMs: number): string {
    const id = this.#newId();
    this.#files.set(id, { ...file, untilMs: nowMs + FILE_MS });
    for (const oldest of this.#files.keys()) {
      if (this.#files.size <= FILES_MAX) break;
      this.#files.delete(oldest);
    }
    return id;
  }

  /** Null: there is none, or it was taken before, or ten minutes are over. */
  take(id: string, nowMs: number): OneTimeFile | null {
    const file = this.#files.get(id);
    this.#files.delete(id);
    for (const [other, { untilMs }] of this.#files) {
      if (untilMs <= nowMs) this.#files.delete(other);
    }
    return file === undefined || file.untilMs <= nowMs ? null : file;
  }
}
