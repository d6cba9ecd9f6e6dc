import { basename, dirname } from "node:path";
import type { ProcessIdentity } from "./process_identity.ts";
import { type ChangeRecord, formatLine, type JournalHeader, parseJournal } from "./record.ts";
import { cannotRecord, type StateDirectory } from "./state_directory.ts";

/** Journals one process may have open at once. */
const JOURNALS_PER_PROCESS_MAX = 64;
const OUTSTANDING_MAX = 4096;
/** The name of a file being written anew, until it takes the place of the old one. */
const COMPACTED_SUFFIX = ".new";
/** Marks after which the file is written anew with what is outstanding. */
const MARKS_MAX = 512;

/**
 * The file of a journal whose process runs: every line is on the disk before the call that wrote it
 * returns. It is locked as long as it is open, so that others see that somebody still owns it.
 */
export class JournalFile {
  readonly outstanding = new Map<number, ChangeRecord>();
  #lengthBytes = 0;
  #marks = 0;

  private constructor(
    readonly path: string,
    readonly header: JournalHeader,
    private file: Deno.FsFile,
  ) {}

  /** Throws JournalError when the directory takes no file. */
  static async create(
    directory: StateDirectory,
    program: string,
    identity: ProcessIdentity,
  ): Promise<JournalFile> {
    const header: JournalHeader = { fluxify: 1, program, ...identity };
    const name = `${program}.${identity.pid}.${identity.startTime}`;
    for (let number = 1; number <= JOURNALS_PER_PROCESS_MAX; number++) {
      const path = directory.journalPath(number === 1 ? name : `${name}.${number}`);
      const file = await openNew(path);
      if (file === undefined) continue;
      const journal = new JournalFile(path, header, file);
      try {
        // Whoever looks for programs that are gone holds it for a moment.
        await file.lock(true);
        await journal.#append(formatLine(header));
        await syncDirectory(path);
      } catch (error) {
        file.close();
        await Deno.remove(path).catch(() => {});
        throw error;
      }
      return journal;
    }
    throw cannotRecord(directory.path, "too many journals of one process");
  }

  /** Throws JournalError, and leaves the file as it was, when the line cannot be written. */
  async record(change: ChangeRecord): Promise<void> {
    if (this.outstanding.size >= OUTSTANDING_MAX) {
      throw cannotRecord(this.path, `it holds ${OUTSTANDING_MAX} changes already`);
    }
    await this.#append(formatLine(change));
    this.outstanding.set(change.id, change);
  }

  /**
   * Notes that a change needs no undo any more. A mark that cannot be written is no harm: undoing
   * twice is allowed.
   */
  async settle(id: number): Promise<void> {
    if (!this.outstanding.delete(id)) return;
    this.#marks++;
    try {
      if (this.#marks > MARKS_MAX) await this.#compact();
      else await this.#append(formatLine({ settled: id }));
    } catch {
      // Said above.
    }
  }

  async remove(): Promise<void> {
    await removeJournal(this.path);
    this.file.close();
  }

  close(): void {
    this.file.close();
  }

  async #append(line: string): Promise<void> {
    const bytes = new TextEncoder().encode(line);
    try {
      await writeAll(this.file, bytes);
      await this.file.syncData();
      this.#lengthBytes += bytes.byteLength;
    } catch (error) {
      // What a full disk took of the line must not run into the next one.
      await this.file.truncate(this.#lengthBytes).catch(() => {});
      throw cannotRecord(dirname(this.path), error);
    }
  }

  async #compact(): Promise<void> {
    const temporary = this.path + COMPACTED_SUFFIX;
    await removeIfThere(temporary);
    const file = await openNew(temporary);
    if (file === undefined) return;
    const lines = [this.header, ...this.outstanding.values()].map(formatLine).join("");
    const bytes = new TextEncoder().encode(lines);
    try {
      await file.lock(true);
      await writeAll(file, bytes);
      await file.sync();
      await Deno.rename(temporary, this.path);
    } catch (error) {
      file.close();
      throw error;
    }
    this.file.close();
    this.file = file;
    this.#lengthBytes = bytes.byteLength;
    this.#marks = 0;
    await syncDirectory(this.path);
  }
}

/** A journal no process writes to; empty text when it is gone. Never throws for its contents. */
export async function readJournal(path: string): Promise<ReturnType<typeof parseJournal>> {
  const text = await Deno.readTextFile(path).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  });
  return parseJournal(text);
}

/** Removes a journal and what a crash while writing it anew may have left beside it. */
export async function removeJournal(path: string): Promise<void> {
  await removeIfThere(path);
  await removeIfThere(path + COMPACTED_SUFFIX);
}

/** Notes in the journal of a program that is gone that a change needs no undo any more. */
export async function noteSettled(path: string, id: number): Promise<void> {
  await Deno.writeTextFile(path, formatLine({ settled: id }), { append: true, create: false });
}

/** "fluxify-client (process 812)", from the header or, when that is torn, from the file's name. */
export function ownerOf(path: string, header: JournalHeader | undefined): string {
  const [program, pid] = basename(path).split(".");
  return `${header?.program ?? program} (process ${header?.pid ?? pid})`;
}

async function removeIfThere(path: string): Promise<void> {
  await Deno.remove(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

/** Undefined when there is such a file. Throws JournalError when it cannot be made. */
async function openNew(path: string): Promise<Deno.FsFile | undefined> {
  try {
    return await Deno.open(path, { createNew: true, append: true, mode: 0o600 });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return undefined;
    throw cannotRecord(dirname(path), error);
  }
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.byteLength;) {
    written += await file.write(bytes.subarray(written));
  }
}

/** So that the name of the file, too, survives a power cut. */
async function syncDirectory(path: string): Promise<void> {
  using directory = await Deno.open(dirname(path)).catch(() => null);
  await directory?.sync().catch(() => {});
}
