/**
 * Every change to the machine (routes, firewall rules, kernel parameters, files) is written to disk
 * together with its undo before it is done. A program that stops undoes its changes; after one that
 * was killed the next start does it (`restoreStale`), so that no crash strands the machine. What
 * cannot be recorded is not done.
 *
 * One file per running program, in a directory of its own. Each knows the boot and the network
 * namespace it belongs to: nothing is undone where it was not done.
 */
import { CommandError, type CommandRunner, runChecked } from "../command/runner.ts";
import { type SysctlAccess, SystemSysctl } from "../sysctl/sysctl.ts";
import { JournalFile } from "./journal_file.ts";
import { ownIdentity, type ProcessIdentity } from "./process_identity.ts";
import type { ChangeRecord, FileRecord, SysctlRecord, TableRecord } from "./record.ts";
import { digestOf, replaceFile, saveFile } from "./saved_file.ts";
import { cannotRecord, StateDirectory } from "./state_directory.ts";
import { otherClaim } from "./sysctl_claims.ts";
import { undoChange } from "./undo.ts";

export { JournalError } from "./state_directory.ts";
export { restoreStale } from "./stale.ts";

export type Change =
  /** `undo` must be harmless when the command was never run. */
  | { kind: "command"; argv: readonly string[]; undo: readonly string[]; input?: string }
  /** `sideEffects` are the paths of parameters the kernel changes along with this one. */
  | { kind: "sysctl"; path: string; value: string; sideEffects?: readonly string[] }
  /** Replaces a whole file, or a symbolic link by a file. `mode` is that of the new file. */
  | { kind: "file"; path: string; content: string; mode?: number }
  /** A firewall table about to be made by its first rule: removed when it is empty at the end. */
  | ({ kind: "table" } & Pick<TableRecord, "program" | "table" | "chain">);

/** A change that has been done; for `undo()` and `settle()`. */
export type ChangeId = number;

export interface JournalOptions {
  /** Letters, digits, "-" and "_"; shown to people, such as "fluxify-client". */
  program: string;
  runner: CommandRunner;
  /** The parameters of this process's namespace unless given. */
  sysctl?: SysctlAccess;
  /** FLUXIFY_STATE_DIR, or /var/lib/fluxify, unless given. */
  directory?: string;
  /** That of this process unless given. */
  identity?: ProcessIdentity;
}

export class HostJournal {
  readonly runner: CommandRunner;
  readonly sysctl: SysctlAccess;
  readonly #directory: StateDirectory;
  readonly #file: JournalFile;
  #nextId = 1;
  /** Changes are done one after the other, whoever asks for them. */
  #turn: Promise<unknown> = Promise.resolve();
  #state: "open" | "undoing" | "closed" = "open";

  private constructor(options: JournalOptions, directory: StateDirectory, file: JournalFile) {
    this.runner = options.runner;
    this.sysctl = options.sysctl ?? new SystemSysctl();
    this.#directory = directory;
    this.#file = file;
  }

  /** Throws JournalError when no journal can be kept: then nothing may be changed. */
  static async open(options: JournalOptions): Promise<HostJournal> {
    if (!/^[\w-]+$/.test(options.program)) {
      throw new RangeError(`"${options.program}" cannot be part of a file name`);
    }
    const directory = await StateDirectory.open(options.directory);
    const identity = options.identity ?? await ownIdentity();
    return new HostJournal(
      options,
      directory,
      await JournalFile.create(directory, options.program, identity),
    );
  }

  get path(): string {
    return this.#file.path;
  }

  /**
   * Records the change, then does it. Returns null when the machine was as wanted already, so that
   * there is nothing to undo. Throws JournalError when it cannot be recorded; whatever the change
   * itself throws when it cannot be done. In both cases the machine is as before.
   */
  apply(change: Change): Promise<ChangeId | null> {
    return this.#inTurn(() => {
      if (this.#state !== "open") throw cannotRecord(this.path, "the journal is closed");
      switch (change.kind) {
        case "command":
          return this.#applyCommand(change);
        case "sysctl":
          return this.#directory.exclusively(() => this.#applySysctl(change));
        case "file":
          return this.#applyFile(change);
        case "table": {
          const { program, table, chain } = change;
          return this.#record({ id: this.#nextId++, kind: "table", program, table, chain });
        }
        default:
          return change satisfies never;
      }
    });
  }

  /** Undoes one change now. Throws when the change is still there; it stays on record then. */
  undo(id: ChangeId): Promise<void> {
    return this.#inTurn(() => this.#undo(id));
  }

  /** Forgets a change that a later one has replaced. */
  settle(id: ChangeId): Promise<void> {
    return this.#inTurn(() => this.#file.settle(id));
  }

  /**
   * Undoes everything, latest first, and removes the journal. Goes on after a failure: the errors
   * are returned, and what could not be undone stays on record for the next start. May be called
   * again.
   */
  undoAll(): Promise<Error[]> {
    return this.#inTurn(async () => {
      if (this.#state === "closed") return [];
      this.#state = "undoing";
      const errors: Error[] = [];
      for (const id of [...this.#file.outstanding.keys()].reverse()) {
        await this.#undo(id).catch((error) => errors.push(error));
      }
      if (errors.length === 0) {
        this.#state = "closed";
        await this.#file.remove().catch((error) => errors.push(error));
      }
      return errors;
    });
  }

  /** Stops using the journal and leaves changes and record to the next `restoreStale()`. */
  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#file.close();
  }

  async #applyCommand(change: Extract<Change, { kind: "command" }>): Promise<ChangeId> {
    const id = await this.#record({
      id: this.#nextId++,
      kind: "command",
      undo: [...change.undo],
    });
    try {
      await runChecked(this.runner, change.argv, { input: change.input });
      return id;
    } catch (error) {
      const stopped = error instanceof CommandError && error.code === null;
      // One that was stopped may have done its work: its undo stays due.
      if (!stopped) await this.#file.settle(id);
      throw error;
    }
  }

  async #applySysctl(change: Extract<Change, { kind: "sysctl" }>): Promise<ChangeId | null> {
    const { path, value } = change;
    const present = await this.sysctl.read(path);
    if (present === null) throw new Error(`Cannot set ${path}: the kernel has no such parameter`);
    const own = this.#file.outstanding.values().find((record) =>
      record.kind === "sysctl" && record.path === path && record.value === present
    ) as SysctlRecord | undefined;
    if (present === value) {
      if (own !== undefined) return null;
      const claim = await otherClaim(this.#directory, this.path, this.#file.header, path, value);
      return claim === undefined
        ? null
        : await this.#record({ ...claim.record, id: this.#nextId++ });
    }
    const record = {
      id: this.#nextId++,
      kind: "sysctl" as const,
      path,
      // One record for each parameter: undone in any order, several would leave a middle value.
      previous: own?.previous ?? present,
      value,
      sideEffects: own?.sideEffects ?? await this.#present(change.sideEffects ?? []),
    };
    await this.#record(record);
    try {
      await this.sysctl.write(path, value);
    } catch (error) {
      await this.#file.settle(record.id);
      throw error;
    }
    if (own !== undefined) await this.#file.settle(own.id);
    return record.id;
  }

  /** The present values of those of `paths` the kernel has. */
  async #present(paths: readonly string[]): Promise<Record<string, string>> {
    const values: Record<string, string> = {};
    for (const path of paths) {
      const value = await this.sysctl.read(path);
      if (value !== null) values[path] = value;
    }
    return values;
  }

  async #applyFile(change: Extract<Change, { kind: "file" }>): Promise<ChangeId | null> {
    const content = new TextEncoder().encode(change.content);
    const saved = await saveFile(change.path);
    if (saved.type === "file" && saved.base64 === content.toBase64()) return null;
    const record: FileRecord = {
      id: this.#nextId++,
      kind: "file",
      path: change.path,
      saved,
      digest: digestOf(content),
    };
    await this.#record(record);
    try {
      await replaceFile(change.path, content, change.mode ?? 0o644);
    } catch (error) {
      await this.#file.settle(record.id);
      throw error;
    }
    return record.id;
  }

  async #record(record: ChangeRecord): Promise<ChangeId> {
    await this.#file.record(record);
    return record.id;
  }

  async #undo(id: ChangeId): Promise<void> {
    const record = this.#file.outstanding.get(id);
    if (record === undefined) return;
    const undo = async () => {
      await undoChange(record, this, async ({ path, value }) => {
        const claim = await otherClaim(this.#directory, this.path, this.#file.header, path, value);
        return claim?.owner;
      });
      await this.#file.settle(id);
    };
    await (record.kind === "sysctl" ? this.#directory.exclusively(undo) : undo());
  }

  #inTurn<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(action);
    this.#turn = result.catch(() => {});
    return result;
  }
}
