/**
 * Files in a folder of the user who called sudo. That user may rename the folder, or put a link in its
 * place, between two steps of root's. So the folder is held open, looked at, and everything is done
 * through what is held.
 */
import { closeSync, constants, fchownSync, fstatSync, openSync, readSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { InvokingUser } from "../../lib/cli/user_home.ts";
import { SECRET_FILE_MODE, writeError, writeFilesAtomically } from "../../lib/pki/secure_file.ts";

const FOLDER_MODE = 0o700;
const WRITABLE_FOR_ALL = 0o002;

/** A file that is read is no file, is too large, or is of somebody else. */
export class UnfitFileError extends Error {
  override name = "UnfitFileError";
}

export class UserFolder implements Disposable {
  readonly #folder: number;
  /** Whose the files will be; null: of who runs the program. */
  readonly #owner: InvokingUser["owner"];

  private constructor(readonly path: string, folder: number, owner: InvokingUser["owner"]) {
    this.#folder = folder;
    this.#owner = owner;
  }

  /**
   * Opens the folder, which is made where it is missing, the user's own.
   * @throws PkiError when it cannot be made, Error when root would write where the user could not
   */
  static make(path: string, user: InvokingUser): UserFolder {
    let isNew = false;
    try {
      Deno.mkdirSync(path, { mode: FOLDER_MODE });
      isNew = true;
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw writeError(path, error);
    }
    return UserFolder.#open(path, user, isNew);
  }

  /** Opens a folder that is there. @throws as make() */
  static open(path: string, user: InvokingUser): UserFolder {
    return UserFolder.#open(path, user, false);
  }

  static #open(path: string, user: InvokingUser, isNew: boolean): UserFolder {
    const { owner } = user;
    let folder: number;
    try {
      folder = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
    } catch (error) {
      throw writeError(path, error);
    }
    try {
      if (owner !== null) {
        const { uid, mode } = fstatSync(folder);
        if (uid !== owner.uid && uid !== 0) throw new Error(`${path} belongs to somebody else`);
        if (uid === 0 && !isWhereItSays(folder, path, user)) {
          throw new Error(`${path} leads to a folder of root`);
        }
        if (isNew) fchownSync(folder, owner.uid, owner.gid);
        // In a folder of root's elsewhere than at home the user gets nothing he could not have made.
        if (uid === 0 && !isNew && !isAtHome(path, user) && (mode & WRITABLE_FOR_ALL) === 0) {
          return new UserFolder(path, folder, null);
        }
      }
      return new UserFolder(path, folder, owner);
    } catch (error) {
      closeSync(folder);
      throw error;
    }
  }

  /** For calls to the system, not for people: a name in the folder that is held. */
  at(name: string): string {
    return `${this.#held}/${name}`;
  }

  /** Writes a file in one step, mode 0600. @throws PkiError */
  async write(name: string, text: string): Promise<void> {
    const path = join(this.path, name);
    const own = { owner: this.#owner, folder: this.#held };
    const file = { path, text, mode: SECRET_FILE_MODE, ...own } as const;
    await writeFilesAtomically([file]);
  }

  get #held(): string {
    return `/proc/self/fd/${this.#folder}`;
  }

  [Symbol.dispose](): void {
    closeSync(this.#folder);
  }
}

/** Writes one file of the user's, in a folder that is made where it is missing. @throws as make() */
export async function writeUserFile(
  path: string,
  text: string,
  user: InvokingUser,
): Promise<void> {
  using folder = UserFolder.make(dirname(path), user);
  await folder.write(basename(path), text);
}

/**
 * Reads a file as it was when it was opened: what has its name a moment later does not matter, and
 * a pipe in its place is not waited for. Null: there is none.
 * @throws UnfitFileError; Error of the system when it cannot be read
 */
export function readUserFile(path: string, user: InvokingUser, bytesMax: number): string | null {
  let file: number;
  try {
    // Deno's errors, which callers know, for what is not there or may not be read.
    if (!Deno.statSync(path).isFile) throw new UnfitFileError("it is no file");
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  try {
    const info = fstatSync(file);
    if (!info.isFile()) throw new UnfitFileError("it is no file");
    const { owner } = user;
    if (owner !== null && info.uid !== owner.uid && !isWhereItSays(file, path, user)) {
      throw new UnfitFileError("it leads to a file of somebody else");
    }
    const buffer = new Uint8Array(bytesMax + 1);
    let length = 0;
    for (let count = 1; count > 0 && length < buffer.length; length += count) {
      count = readSync(file, buffer, length, buffer.length - length, null);
    }
    if (length > bytesMax) throw new UnfitFileError(`it is larger than ${bytesMax} bytes`);
    return new TextDecoder().decode(buffer.subarray(0, length));
  } finally {
    closeSync(file);
  }
}

function isAtHome(path: string, { home }: InvokingUser): boolean {
  return resolve(path).startsWith(`${resolve(home)}/`);
}

/** Whether what is open lies where its path says, without a link in the user's hands on the way. */
function isWhereItSays(descriptor: number, path: string, user: InvokingUser): boolean {
  const whole = resolve(path);
  const own = resolve(user.home);
  // What leads to the home itself, as /home on another disk, is not the user's to change.
  const expected = isAtHome(path, user)
    ? join(Deno.realPathSync(own), whole.slice(own.length))
    : whole;
  return Deno.readLinkSync(`/proc/self/fd/${descriptor}`) === expected;
}
