/** Whom the process of the page becomes, and where that user keeps the history. */
import { lchown } from "node:fs/promises";
import { dirname, join } from "node:path";
import { messageOf } from "../ffi/error_text.ts";
import { StateDirectory } from "../host/journal/state_directory.ts";

interface PageUser {
  readonly userId: number;
  readonly groupId: number;
}

const USER_NAME = "fluxify-page";
/** Without such a user: one that no distribution or container gives to anybody (1879048192 on). */
const NOBODYS_ID = 1_900_080_078;
const IDS = new RegExp(`^${USER_NAME}:[^:]*:([1-9]\\d{0,8}):([1-9]\\d{0,8}):`, "m");

/** Null: this process is not root's, and has nothing to give up but what its user may. */
export async function pageUser(): Promise<PageUser | null> {
  if (Deno.uid() !== 0) return null;
  return pageUserOf(await Deno.readTextFile("/etc/passwd").catch(() => ""));
}

/** That of a text like /etc/passwd; never root, nor root's group. */
export function pageUserOf(passwd: string): PageUser {
  const [, userId, groupId] = IDS.exec(passwd) ?? [];
  if (userId === undefined) return { userId: NOBODYS_ID, groupId: NOBODYS_ID };
  return { userId: Number(userId), groupId: Number(groupId) };
}

/** A directory of that user in the one of the state; null: there can be none, and `warn` says why. */
export async function historyDirectory(
  user: PageUser | null,
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
    if (user !== null) {
      if (info.uid !== user.userId) await handOver(directory, user);
      // The user gets through, and sees nothing of what else lies there.
      await Deno.chmod(dirname(directory), 0o711);
    }
    return directory;
  } catch (error) {
    warn(`cannot keep a history: ${messageOf(error)}; the page shows no past`);
    return null;
  }
}

/** With what lies in it already, as from before the package made the user. */
async function handOver(directory: string, { userId, groupId }: PageUser): Promise<void> {
  // The one it belonged to adds nothing any more, and is followed through no link.
  await Deno.chown(directory, userId, groupId);
  for await (const { name } of Deno.readDir(directory)) {
    const path = join(directory, name);
    const { isFile, nlink } = await Deno.lstat(path);
    if (isFile && nlink === 1) await lchown(path, userId, groupId);
  }
}
