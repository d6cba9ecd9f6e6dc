/** Directories whose contents are trusted: what lies in them, this user has put there. */
import { messageOf } from "../ffi/error_text.ts";

/**
 * Makes `path` with the permissions `mode` where it is missing, its parents too.
 * @throws Error when it is no directory of the user running this program, or others may write to it.
 */
export async function openOwnDirectory(path: string, mode: number): Promise<void> {
  await Deno.mkdir(path, { recursive: true, mode });
  const info = await Deno.lstat(path);
  if (!info.isDirectory || info.uid !== Deno.uid()) {
    throw new Error("it is not a directory of the user running this program");
  }
  if (((info.mode ?? 0) & 0o022) !== 0) throw new Error("others may write to it");
}

/**
 * The id of a group of /etc/group, by its name or written as a number.
 * @throws Error that says what to do.
 */
export async function groupId(group: string): Promise<number> {
  if (/^\d{1,9}$/.test(group)) return Number(group);
  const text = await Deno.readTextFile("/etc/group").catch((error) => {
    throw new Error(`Cannot look for group '${group}': ${messageOf(error)}; give its number`);
  });
  const line = text.split("\n").find((line) => line.startsWith(`${group}:`));
  const id = /^[^:]*:[^:]*:(\d{1,9}):/.exec(line ?? "")?.[1];
  if (id !== undefined) return Number(id);
  throw new Error(
    `Cannot find group '${group}' in /etc/group: make it with 'groupadd ${group}', or give its number`,
  );
}
