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
import { SerialQueue } from "../serial_queue.ts";
import { type SysctlAccess, SystemSysctl } from "../sysctl/sysctl.ts";
import type { Change, ChangeId, NftRuleChange } from "./change.ts";
import { JournalFile } from "./journal_file.ts";
import { ownIdentity, type ProcessIdentity } from "./process_identity.ts";
import {
  type ChangeRecord,
  type FileRecord,
  isLasting,
  type LastingRecord,
  type SysctlRecord,
} from "./record.ts";
import { digestOf, replaceFile, saveFile } from "./saved_file.ts";
import { cannotRecord, StateDirectory } from "./state_directory.ts";
import { otherClaim } from "./sysctl_claims.ts";
import { undoChange } from "./undo.ts";

export type { Change, ChangeId } from "./change.ts";
export { JournalError } from "./state_directory.ts";
export { restoreStale, tellsOfFailure } from "./stale.ts";

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

/** How `iptables -C` and `nft list` end when there is no such thing. */
const MISSING = 1;

interface CheckedCommand {
  readonly undo: readonly string[];
  readonly check: readonly string[];
  readonly input: string | undefined;
  again(): Promise<readonly string[]>;
}

export class HostJournal {
  readonly runner: CommandRunner;
  readonly sysctl: SysctlAccess;
  /** For people: what undoing left as it was, and why. */
  readonly notices: string[] = [];
  readonly #directory: StateDirectory;
  readonly #file: JournalFile;
  #nextId = 1;
  /** How to tell whether a change is still in force, and to do it again; in memory alone. */
  readonly #checked = new Map<ChangeId, CheckedCommand>();
  /** Changes are done one after the other, whoever asks for them. */
  readonly #queue = new SerialQueue();
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
    return this.#queue.run(() => {
      if (this.#state !== "open") throw cannotRecord(this.path, "the journal is closed");
      switch (change.kind) {
        case "command":
          return this.#applyCommand(change);
        case "sysctl":
          return this.#directory.exclusively(() => this.#applySysctl(change));
        case "file":
          return this.#applyFile(change);
        case "table": {
          const { program, table, chain, handover } = change;
          const id = this.#nextId++;
          return this.#record({ id, kind: "table", program, table, chain, handover });
        }
        case "nft rule":
          return this.#applyNftRule(change);
        default:
          return change satisfies never;
      }
    });
  }

  /** Undoes one change now. Throws when the change is still there; it stays on record then. */
  undo(id: ChangeId): Promise<void> {
    return this.#queue.run(() => this.#undo(id));
  }

  /**
   * Does again what another program has undone of the changes that can be checked, in the order they
   * were made in. Returns the programs whose rules were missing, such as "nft"; a failure is thrown
   * when all have been looked at.
   */
  putBack(): Promise<string[]> {
    return this.#queue.run(async () => {
      const missing = new Set<string>();
      const failures: unknown[] = [];
      for (const [id, { check, again, input }] of this.#checked) {
        if (this.#state !== "open" || !this.#file.outstanding.has(id)) {
          this.#checked.delete(id);
          continue;
        }
        try {
          const { code, stderr } = await this.runner.run(check);
          if (code === 0) continue;
          // A rule that is there and cannot be asked for now would be made twice, and undone once.
          if (code !== MISSING) throw new CommandError(check, code, stderr);
          missing.add(check[0]!);
          await runChecked(this.runner, await again(), { input });
        } catch (error) {
          failures.push(error);
        }
      }
      if (failures.length > 0) throw failures[0];
      return [...missing];
    });
  }

  /** Forgets a change that a later one has replaced. */
  settle(id: ChangeId): Promise<void> {
    return this.#queue.run(() => this.#file.settle(id));
  }

  /** The lasting changes on record, oldest first: its own and those it has taken over. */
  get lasting(): LastingRecord[] {
    return [...this.#file.outstanding.values()].filter(isLasting);
  }

  /** Takes over a lasting change of a program that is gone. Throws JournalError. */
  adopt(record: LastingRecord): Promise<ChangeId> {
    return this.#queue.run(() => this.#record({ ...record, id: this.#nextId++ }));
  }

  /**
   * Undoes everything, latest first, and removes the journal. Goes on after a failure: the errors
   * are returned, and what could not be undone stays on record for the next start, as do lasting
   * changes that are to be left. May be called again.
   */
  undoAll(lasting: "undo" | "leave" = "undo"): Promise<Error[]> {
    return this.#queue.run(async () => {
      if (this.#state === "closed") return [];
      this.#state = "undoing";
      const errors: Error[] = [];
      for (const [id, record] of [...this.#file.outstanding].reverse()) {
        if (lasting === "leave" && isLasting(record)) continue;
        await this.#undo(id).catch((error) => errors.push(error));
      }
      if (errors.length === 0 && this.#file.outstanding.size > 0) this.close();
      else if (errors.length === 0) {
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
    const { kind, argv, undo, input, handover, check } = change;
    const { again = () => Promise.resolve(argv) } = change;
    const record = { id: this.#nextId++, kind, undo: [...undo], handover };
    const id = await this.#recordAndRun(record, argv, input);
    if (check === undefined) return id;
    for (const [earlier, { undo: same }] of this.#checked) {
      if (same.join("\0") !== undo.join("\0")) continue;
      this.#checked.delete(earlier);
      await this.#file.settle(earlier);
    }
    this.#checked.set(id, { undo, check, input, again });
    return id;
  }

  #applyNftRule(change: NftRuleChange): Promise<ChangeId> {
    const { kind, family, table, chain, rule, comment, before } = change;
    const place = before === null ? [] : ["position", String(before)];
    const verb = before === null ? "add" : "insert";
    const argv = ["nft", verb, "rule", family, table, chain, ...place, ...rule];
    const record = { id: this.#nextId++, kind, family, table, chain, comment };
    return this.#recordAndRun(record, [...argv, "comment", `"${comment}"`]);
  }

  async #recordAndRun(
    record: ChangeRecord,
    argv: readonly string[],
    input?: string,
  ): Promise<ChangeId> {
    const id = await this.#record(record);
    try {
      await runChecked(this.runner, argv, { input });
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
    // One record for what is ours already: what was there before it comes back in one step.
    const own = saved.type !== "file"
      ? undefined
      : this.#file.outstanding.values().find((record) =>
        record.kind === "file" && record.path === change.path &&
        record.digest === digestOf(Uint8Array.fromBase64(saved.base64))
      ) as FileRecord | undefined;
    const record: FileRecord = {
      id: this.#nextId++,
      kind: "file",
      path: change.path,
      saved: own?.saved ?? saved,
      digest: digestOf(content),
    };
    await this.#record(record);
    try {
      await replaceFile(change.path, content, change.mode ?? 0o644);
    } catch (error) {
      await this.#file.settle(record.id);
      throw error;
    }
    if (own !== undefined) await this.#file.settle(own.id);
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
      const notice = await undoChange(record, this, async ({ path, value }) => {
        const claim = await otherClaim(this.#directory, this.path, this.#file.header, path, value);
        return claim?.owner;
      });
      if (notice !== null) this.notices.push(notice);
      await this.#file.settle(id);
    };
    await (record.kind === "sysctl" ? this.#directory.exclusively(undo) : undo());
  }
}
