import { messageOf } from "../ffi/error_text.ts";
import { closeSync, fchownSync, fsyncSync, openSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { PkiError } from "./pki_error.ts";

/** Certificates and CRLs are public, as far as the directory (mode 0700) lets anyone see them. */
export const PUBLIC_FILE_MODE = 0o644;
export const SECRET_FILE_MODE = 0o600;
const IS_FOLDER = "it is a directory; name a file in it";
const NO_FOLDER = "a part of this path that must be a folder is a file; check the path";
const SECRET_DIRECTORY_MODE = 0o700;

/** A bundle with an RSA 16384 key and a dozen CA certificates is below 64 KiB. */
const FILE_BYTES_MAX = 256 * 1024;

const LOCK_WAIT_MAX_MS = 10_000;
const LOCK_RETRY_MS = 50;

/** A file to be written as part of one step. */
export interface PendingFile {
  path: string;
  text: string;
  mode: typeof PUBLIC_FILE_MODE | typeof SECRET_FILE_MODE;
  /** Whose it will be; as a rule of the user who runs the program. */
  owner?: { readonly uid: number; readonly gid: number } | null;
  /** By what name the system finds the folder of `path`, when not by its own. */
  folder?: string;
}

/**
 * Reads a text file of at most 256 KiB (a pipe will do).
 * @throws {PkiError} "not found", "unreadable" or "damaged" (too large)
 */
export async function readSmallFile(path: string): Promise<string> {
  const text = await readBounded(path, FILE_BYTES_MAX).catch((cause) => {
    throw readError(path, cause);
  });
  if (text === null) {
    throw new PkiError(
      "damaged",
      path,
      `Cannot use ${path}: it is larger than ${FILE_BYTES_MAX} bytes, so it is no certificate or key; name the right file`,
    );
  }
  return text;
}

/** Reads a text file of at most `bytesMax` bytes; null when it is larger. Throws what reading does. */
export async function readBounded(path: string, bytesMax: number): Promise<string | null> {
  using file = await Deno.open(path, { read: true });
  let buffer = new Uint8Array(Math.min(bytesMax, FILE_BYTES_MAX) + 1);
  let length = 0;
  for (;;) {
    const count = await file.read(buffer.subarray(length));
    if (count === null) return new TextDecoder().decode(buffer.subarray(0, length));
    length += count;
    if (length > bytesMax) return null;
    if (length < buffer.length) continue;
    const larger = new Uint8Array(Math.min(bytesMax + 1, buffer.length * 2));
    larger.set(buffer);
    buffer = larger;
  }
}

/**
 * Writes the files as one step: every byte of every file is on disk under a temporary name before
 * the first gets its own name, so a full disk leaves all old files as they were. The names are
 * given in the order of `files`: put the file whose presence says "complete" last.
 * `beforeNaming` runs between the two halves.
 * @throws {PkiError} "disk full", "not writable" or "write failed"
 */
export async function writeFilesAtomically(
  files: readonly PendingFile[],
  beforeNaming: () => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const suffix = crypto.randomUUID().slice(0, 8);
  const staged: { temporary: string; path: string; place: string }[] = [];
  try {
    for (const file of files) {
      const name = basename(file.path);
      const temporary = join(folderOf(file), `.${name}.${suffix}.tmp`);
      staged.push({ temporary, path: file.path, place: join(folderOf(file), name) });
      await asWrite(file.path, () => writeDurably(temporary, file));
    }
    await beforeNaming();
    for (const { temporary, path, place } of staged) {
      await asWrite(path, () => Deno.rename(temporary, place));
    }
    for (const directory of new Set(files.map(folderOf))) {
      await asWrite(directory, () => syncDirectory(directory));
    }
  } catch (error) {
    for (const { temporary } of staged) await removeIfPresent(temporary);
    throw error;
  }
}

function folderOf({ path, folder }: PendingFile): string {
  return folder ?? dirname(path);
}

/** Creates `path` and its parents; what it creates is for the owner only (mode 0700). */
export async function makeSecretDirectory(path: string): Promise<void> {
  await asWrite(path, () => Deno.mkdir(path, { recursive: true, mode: SECRET_DIRECTORY_MODE }));
}

/** Moves a file or directory within one directory tree. Returns false when there is none. */
export async function moveIfPresent(from: string, to: string): Promise<boolean> {
  if (!await exists(from)) return false;
  await asWrite(from, () => Deno.rename(from, to));
  return true;
}

/** Removes a file; one that is not there is as good. @throws {PkiError} "not writable" and its like */
export async function removeFile(path: string): Promise<void> {
  await asWrite(path, () =>
    Deno.remove(path).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }));
}

/**
 * Runs `action` while no other process changes `directory`. The lock ends with its process, so
 * there is nothing to clean up after a crash.
 * @throws {PkiError} "locked" when that takes longer than `waitMaxMs` (10 s), "not writable"
 */
export async function withDirectoryLock<T>(
  directory: string,
  action: () => Promise<T>,
  waitMaxMs = LOCK_WAIT_MAX_MS,
): Promise<T> {
  const path = join(directory, ".lock");
  using file = await asWrite(directory, () => openLock(path));
  for (let waitedMs = 0; !await file.tryLock(true); waitedMs += LOCK_RETRY_MS) {
    if (waitedMs >= waitMaxMs) {
      throw new PkiError(
        "locked",
        path,
        `Cannot change ${directory}: another process holds ${path}; end it ("fuser ${path}" names it) and try again`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, LOCK_RETRY_MS));
  }
  return await action();
}

/**
 * Refuses a symbolic link at `path` that another user may have put there: root would write where
 * that user wants.
 * @throws {PkiError} "foreign link"
 */
export async function refuseForeignLink(path: string): Promise<void> {
  if (!await exists(path) || !(await Deno.lstat(path)).isSymlink) return;
  const directory = dirname(path);
  const { uid, mode } = await Deno.stat(directory);
  if (uid === Deno.uid() && (mode === null || (mode & 0o022) === 0)) return;
  throw new PkiError(
    "foreign link",
    path,
    `Cannot write to ${path}: it is a symbolic link, and other users may change ${directory}; put a file or folder of its own there, or "chown" ${directory} to the user who runs Fluxify`,
  );
}

/** A sentence for the operator when others than the owner may use a file with a secret, else null. */
export async function looseModeNotice(
  path: string,
  secret: "a private key" | "credentials" = "a private key",
): Promise<string | null> {
  const mode = await modeOf(path);
  if (mode === null || (mode & 0o077) === 0) return null;
  return `${path} holds ${secret} and other users of this machine have access to it (mode ${
    octal(mode)
  }): run "chmod 600 ${path}"`;
}

/** A sentence when others may write what says who is let in, or the directory it is in, else null. */
export async function looseWriteNotice(path: string): Promise<string | null> {
  const mode = await modeOf(path);
  if (mode === null || (mode & 0o022) === 0) return null;
  return `other users of this machine may change ${path}, and with it who is let in (mode ${
    octal(mode)
  }): run "chmod go-w ${path}"`;
}

/** @throws {PkiError} "unreadable" when that cannot be told */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return false;
    throw readError(path, cause);
  }
}

/** The PKI refusal for a failed read of `path`. It has no cause: that would say the same again. */
export function readError(path: string, cause: unknown): PkiError {
  if (cause instanceof Deno.errors.NotFound) {
    return new PkiError(
      "not found",
      path,
      `Cannot read ${path}: there is no such file; check the path`,
    );
  }
  const why = cause instanceof Deno.errors.PermissionDenied
    ? `this user may not read it; run as its owner, or "chown" it to the user who runs Fluxify`
    : cause instanceof Deno.errors.IsADirectory
    ? IS_FOLDER
    : cause instanceof Deno.errors.NotADirectory
    ? NO_FOLDER
    : `${reasonOf(cause)}; check the path and the disk`;
  return new PkiError("unreadable", path, `Cannot read ${path}: ${why}`);
}

/** A new file never takes the place of a link (O_EXCL), and nothing is made behind one. */
async function openLock(path: string): Promise<Deno.FsFile> {
  try {
    return await Deno.open(path, { write: true, createNew: true, mode: SECRET_FILE_MODE });
  } catch (cause) {
    if (!(cause instanceof Deno.errors.AlreadyExists)) throw cause;
  }
  await refuseForeignLink(path);
  return await Deno.open(path, { write: true });
}

function octal(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, "0");
}

async function modeOf(path: string): Promise<number | null> {
  try {
    return (await Deno.stat(path)).mode;
  } catch (cause) {
    throw readError(path, cause);
  }
}

async function writeDurably(temporary: string, file: PendingFile): Promise<void> {
  const bytes = new TextEncoder().encode(file.text);
  if (file.owner) return writeForOwner(temporary, bytes, file.mode, file.owner);
  using handle = await Deno.open(temporary, { write: true, createNew: true, mode: file.mode });
  let rest = bytes;
  while (rest.length > 0) rest = rest.subarray(await handle.write(rest));
  await handle.sync();
}

/**
 * Gives away the file that was made, not what its name stands for by then: the folder may be the
 * owner's, who could put a link to a file of root's in its place.
 */
function writeForOwner(
  temporary: string,
  bytes: Uint8Array,
  mode: number,
  { uid, gid }: NonNullable<PendingFile["owner"]>,
): void {
  const file = openSync(temporary, "wx", mode);
  try {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(writeSync(file, rest));
    fchownSync(file, uid, gid);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

async function syncDirectory(path: string): Promise<void> {
  using handle = await Deno.open(path, { read: true });
  await handle.sync();
}

async function removeIfPresent(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch {
    // The error that made the file superfluous is the one to report.
  }
}

async function asWrite<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    throw cause instanceof PkiError ? cause : writeError(path, cause);
  }
}

/** The PKI refusal for a failed write of `path`, or for a folder that cannot be made. */
export function writeError(path: string, cause: unknown): PkiError {
  switch (codeOf(cause)) {
    case "ENOSPC":
    case "EDQUOT":
      return new PkiError(
        "disk full",
        path,
        `Cannot write ${path}: the disk is full; free some space and try again (no file is half-written)`,
      );
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new PkiError(
        "not writable",
        path,
        `Cannot write ${path}: the directory is not writable for this user; run as its owner, or choose another directory`,
      );
    case "ENOENT":
      return new PkiError(
        "write failed",
        path,
        `Cannot write ${path}: there is no such folder, and it cannot be made; check the path`,
      );
    case "EISDIR":
      return new PkiError("write failed", path, `Cannot write ${path}: ${IS_FOLDER}`);
    case "ENOTDIR":
      return new PkiError("write failed", path, `Cannot write ${path}: ${NO_FOLDER}`);
    default:
      return new PkiError(
        "write failed",
        path,
        `Cannot write ${path}: ${reasonOf(cause)}; check the path and the disk`,
      );
  }
}

function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error ? (cause as Error & { code?: string }).code : undefined;
}

/** What the system said, without Deno's repetition of the call and the path. */
function reasonOf(cause: unknown): string {
  const message = messageOf(cause);
  return message.replace(/ \(os error \d+\).*$/s, "");
}
