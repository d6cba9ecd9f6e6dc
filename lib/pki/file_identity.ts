import { readError } from "./secure_file.ts";

/** Changes whenever a file is written in place or replaced. */
export interface FileIdentity {
  readonly inode: number | null;
  readonly sizeBytes: number;
  readonly modifiedMs: number | undefined;
  readonly changedMs: number | undefined;
}

/**
 * Of the file at `path` as it is now; null when there is none. Takes some 10 us.
 * @throws {PkiError} "unreadable"
 */
export function fileIdentity(path: string): FileIdentity | null {
  try {
    const info = Deno.statSync(path);
    return {
      inode: info.ino,
      sizeBytes: info.size,
      modifiedMs: info.mtime?.getTime(),
      changedMs: info.ctime?.getTime(),
    };
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return null;
    throw readError(path, cause);
  }
}

/** Whether both are the same file, unchanged, or both no file. */
export function isSameFile(a: FileIdentity | null, b: FileIdentity | null): boolean {
  if (a === null || b === null) return a === b;
  return a.inode === b.inode && a.sizeBytes === b.sizeBytes &&
    a.modifiedMs === b.modifiedMs && a.changedMs === b.changedMs;
}
