import { messageOf } from "../../ffi/error_text.ts";
import { join } from "node:path";
import { openOwnDirectory } from "../own_directory.ts";

const DEFAULT_DIRECTORY = "/var/lib/fluxify";
const SUFFIX = ".journal";
const LOCK_NAME = "lock";
const LOCK_WAIT_MS = 30_000;
const LOCK_RETRY_MS = 20;

/** The journal cannot be kept, so that nothing on this machine may be changed. */
export class JournalError extends Error {
  override name = "JournalError";
}

/**
 * The directory that holds the journals of all processes. Its contents become commands run as
 * root, so it must belong to this user and be writable by nobody else.
 */
export class StateDirectory {
  private constructor(readonly path: string) {}

  /** `path`, else FLUXIFY_STATE_DIR, else /var/lib/fluxify; made when missing. */
  static async open(path?: string): Promise<StateDirectory> {
    const directory = pathOr(path);
    try {
      await openOwnDirectory(directory, 0o700);
    } catch (error) {
      throw cannotRecord(directory, error);
    }
    return new StateDirectory(directory);
  }

  /** As open(), but makes nothing: null where there is no such directory. */
  static async find(path?: string): Promise<StateDirectory | null> {
    try {
      await Deno.lstat(pathOr(path));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
      throw cannotRecord(pathOr(path), error);
    }
    return await StateDirectory.open(path);
  }

  async journalPaths(): Promise<string[]> {
    const paths: string[] = [];
    for await (const entry of Deno.readDir(this.path)) {
      if (entry.isFile && entry.name.endsWith(SUFFIX)) paths.push(join(this.path, entry.name));
    }
    return paths.sort();
  }

  journalPath(name: string): string {
    return join(this.path, name + SUFFIX);
  }

  /** Runs `action` while no other process does the same. Throws JournalError after 30 s. */
  async exclusively<T>(action: () => Promise<T>): Promise<T> {
    const path = join(this.path, LOCK_NAME);
    using file = await Deno.open(path, { create: true, write: true, mode: 0o600 }).catch(
      (error) => {
        throw cannotRecord(this.path, error);
      },
    );
    for (let waitedMs = 0; !await file.tryLock(true); waitedMs += LOCK_RETRY_MS) {
      if (waitedMs >= LOCK_WAIT_MS) {
        throw new JournalError(`Cannot lock ${path}: another process holds it; look for one stuck`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOCK_RETRY_MS));
    }
    return await action();
  }
}

function pathOr(path: string | undefined): string {
  return path ?? (Deno.env.get("FLUXIFY_STATE_DIR") || DEFAULT_DIRECTORY);
}

export function cannotRecord(path: string, error: unknown): JournalError {
  if (error instanceof JournalError && error.cause !== undefined) return error;
  const reason = messageOf(error);
  return new JournalError(
    `Cannot record changes to this machine in ${path}: ${reason}; make it writable for this user ` +
      "alone and make room on its disk, or name another directory in FLUXIFY_STATE_DIR",
    { cause: error },
  );
}
