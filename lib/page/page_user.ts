/** Whom the process of the page becomes, and where that user keeps the history. */
import { dirname, join } from "node:path";
import { messageOf } from "../ffi/error_text.ts";
import { StateDirectory } from "../host/journal/state_directory.ts";

const USER_NAME = "fluxify-page";
/** Without such a user: one that no distribution or container gives to anybody (1879048192 on). */
const USER_ID = 1_900_080_078;

/** Null: this process is not root's, and has nothing to give up but what its user may. */
export async function pageUser(): Promise<number | null> {
  if (Deno.uid() !== 0) return null;
  const passwd = await Deno.readTextFile("/etc/passwd").catch(() => "");
  const line = passwd.split("\n").find((one) => one.startsWith(`${USER_NAME}:`));
  const id = /^[^:]*:[^:]*:(\d{1,9}):/.exec(line ?? "")?.[1];
  return id === undefined || id === "0" ? USER_ID : Number(id);
}

/** A directory of that user in the one of the state; null: there can be none, and `warn` says why. */
export async function historyDirectory(
  userId: number | null,
  warn: (line: string) => void,
): Promise<string | null> {
  try {
    const { path } = await StateDirectory.open();
    const directory = join(path, "page");
    await Deno.mkdir(directory, { mode: 0o700 }).catch((error) => {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    });
    const info = await Deno.lstat(directory);
    if (!info.isDirectory) throw new Error(`${directory} is no directory`);
    if (userId !== null) {
      await Deno.chown(directory, userId, userId);
      // The user gets through, and sees nothing of what else lies there.
      await Deno.chmod(dirname(directory), 0o711);
    }
    return directory;
  } catch (error) {
    warn(`cannot keep a history: ${messageOf(error)}; the page shows no past`);
    return null;
  }
}
