import { messageOf } from "../../ffi/error_text.ts";
import type { CommandRunner } from "../command/runner.ts";
import { type SysctlAccess, SystemSysctl } from "../sysctl/sysctl.ts";
import { changeText, summaryOf } from "./change_text.ts";
import type { HostJournal } from "./host_journal.ts";
import { noteSettled, ownerOf, readJournal, removeJournal } from "./journal_file.ts";
import { isRunning, ownIdentity, type ProcessIdentity } from "./process_identity.ts";
import { type ChangeRecord, isLasting, type JournalText } from "./record.ts";
import { StateDirectory } from "./state_directory.ts";
import { otherClaim } from "./sysctl_claims.ts";
import { undoChange, type UndoTools } from "./undo.ts";

export interface RestoreOptions {
  /** The parameters of this process's namespace unless given. */
  sysctl?: SysctlAccess;
  /** That of this process unless given. */
  identity?: ProcessIdentity;
  /**
   * What to do with changes that are to stay when their program crashes: undo them as all others,
   * leave them in place and on record, or hand them over to a journal. Undone unless given.
   */
  lasting?: LastingFate;
  /** Told of each change that was undone, in words for people. */
  onUndone?: (text: string) => void;
  /** Told of each program that runs and keeps what is its own: nothing is to be done about it. */
  onKept?: (line: string) => void;
}

/** How a line begins that tells of a change which is still there. */
const FAILED = "could not undo";

/** Whether a line of restoreStale() tells of a change that is still there, and on record. */
export function tellsOfFailure(line: string): boolean {
  return line.startsWith(FAILED);
}

type LastingFate = "undo" | "leave" | HostJournal;

/**
 * Undoes what programs that did not end properly have left behind in this network namespace.
 * Returns a line for people about each journal found whose program is gone. What fails is said there
 * too and stays on record. Throws JournalError when the directory cannot be used.
 */
export async function restoreStale(
  runner: CommandRunner,
  directory?: string,
  options: RestoreOptions = {},
): Promise<string[]> {
  const state = await StateDirectory.open(directory);
  const own = options.identity ?? await ownIdentity();
  const tools = { runner, sysctl: options.sysctl ?? new SystemSysctl() };
  const { lasting = "undo", onUndone = () => {}, onKept = () => {} } = options;
  return await state.exclusively(async () => {
    const lines: string[] = [];
    for (const path of await state.journalPaths()) {
      if (typeof lasting !== "string" && path === lasting.path) continue;
      lines.push(...await restoreOne(path, state, own, tools, { lasting, onUndone, onKept }));
    }
    return lines;
  });
}

async function restoreOne(
  path: string,
  state: StateDirectory,
  own: ProcessIdentity,
  tools: UndoTools,
  { lasting, onUndone, onKept }: Required<Pick<RestoreOptions, "lasting" | "onUndone" | "onKept">>,
): Promise<string[]> {
  using file = await Deno.open(path).catch(() => null);
  if (file === null) return []; // its program has just ended properly
  const journal = await readJournal(path);
  const owner = ownerOf(path, journal.header);
  const changes = count(journal.outstanding.length);
  switch (await fateOf(path, file, journal, own)) {
    case "kept":
      onKept(`${owner} is running and keeps its ${changes}`);
      return [];
    case "unreadable":
      return [`cannot tell whose ${changes} are in ${path}: look at it, then remove it`];
    case "elsewhere":
      return [`left ${changes} by ${owner} alone: made in another network namespace`];
  }

  const valid = stillInForce(journal, own);
  const staying = lasting === "undo" ? [] : valid.filter(isLasting);
  const due = lasting === "undo" ? valid : valid.filter((change) => !isLasting(change));
  const kept = lasting === "leave" ? staying.length : 0;
  const lines: string[] = [];
  if (typeof lasting !== "string") {
    for (const change of staying) {
      await lasting.adopt(change);
      // Undone later on behalf of the one that is gone, it would be taken from its new owner.
      await noteSettled(path, change.id);
    }
  }
  const failed: ChangeRecord[] = [];
  const undone: ChangeRecord[] = [];
  for (const change of due.reverse()) {
    try {
      const line = await undoChange(change, tools, async ({ path: parameter, value }) => {
        return (await otherClaim(state, path, own, parameter, value))?.owner;
      });
      undone.push(change);
      if (line === null) onUndone(changeText(change));
      else lines.push(line);
    } catch (error) {
      failed.push(change);
      lines.push(`${FAILED} a change by ${owner}: ${messageOf(error)}`);
    }
  }
  if (failed.length === 0 && kept === 0) await removeJournal(path);
  else {
    // Undone again, it would be taken from a program that has made the same change since.
    // A full disk takes no mark: what is undone stays undone all the same.
    for (const { id } of undone) await noteSettled(path, id).catch(() => {});
  }
  const dropped = journal.outstanding.length - valid.length;
  if (undone.length > 0) {
    const what = summaryOf(undone);
    lines.unshift(`undid ${count(undone.length)} left by ${owner}, which is gone: ${what}`);
  }
  if (kept > 0) lines.push(`left ${count(kept)} by ${owner} in place, as they outlive it`);
  if (dropped > 0) lines.push(`${count(dropped)} by ${owner} ended with an earlier boot`);
  return lines;
}

/** What a program that is gone has left in force on this machine. */
export interface LeftBehind {
  /** As in `fluxify-client (process 812)`. */
  readonly owner: string;
  /** As in `the kill switch, 3 routes`. */
  readonly what: string;
}

/**
 * What restoreStale() would undo, without undoing it: nothing is changed. Throws JournalError when
 * the directory is there and cannot be read.
 */
export async function readLeftBehind(
  directory?: string,
  identity?: ProcessIdentity,
): Promise<LeftBehind[]> {
  const state = await StateDirectory.find(directory);
  if (state === null) return [];
  const own = identity ?? await ownIdentity();
  // A start that undoes them meanwhile would take a journal that is looked at for one in use.
  return await state.exclusively(async () => {
    const found: LeftBehind[] = [];
    for (const path of await state.journalPaths()) {
      using file = await Deno.open(path).catch(() => null);
      if (file === null) continue; // its program has just ended properly
      const journal = await readJournal(path);
      if (await fateOf(path, file, journal, own) !== "gone") continue;
      const changes = stillInForce(journal, own);
      if (changes.length === 0) continue;
      found.push({ owner: ownerOf(path, journal.header), what: summaryOf(changes) });
    }
    return found;
  });
}

/** Whether the program of a journal is gone and its changes are this machine's to undo. */
async function fateOf(
  path: string,
  file: Deno.FsFile,
  journal: JournalText,
  own: ProcessIdentity,
): Promise<"kept" | "unreadable" | "elsewhere" | "gone"> {
  // Held by the kernel for the owner as long as it lives, whatever its process id means here.
  const owned = !await file.tryLock(true);
  if (owned || await isRunning(journal.header ?? identityIn(path, own), own)) return "kept";
  if (journal.header === undefined && journal.outstanding.length > 0) return "unreadable";
  return isElsewhere(journal, own) ? "elsewhere" : "gone";
}

/** Of the kernel's state nothing outlives its boot. */
function stillInForce({ header, outstanding }: JournalText, own: ProcessIdentity): ChangeRecord[] {
  return outstanding.filter(({ kind }) => header?.bootId === own.bootId || kind === "file");
}

/** Only kernel state is bound to a namespace, and none outlives its boot. */
function isElsewhere({ header, outstanding }: JournalText, own: ProcessIdentity): boolean {
  return outstanding.length > 0 && header?.bootId === own.bootId &&
    header.network !== own.network;
}

/** Between making its file and writing the first line, a program is known by the name alone. */
function identityIn(path: string, own: ProcessIdentity): ProcessIdentity {
  const [, pid, startTime] = path.slice(path.lastIndexOf("/") + 1).split(".");
  return { ...own, pid: Number(pid), startTime: startTime ?? "" };
}

function count(changes: number): string {
  return changes === 1 ? "1 change" : `${changes} changes`;
}
