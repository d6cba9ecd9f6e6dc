/** Directories whose contents are trusted: what lies in them, this user has put there. */
import { dirname, join, resolve } from "node:path";
import { messageOf } from "../ffi/error_text.ts";

/** As many as Linux follows in one path. */
const LINKS_MAX = 40;
const WRITABLE_FOR_ALL = 0o002;
const WRITABLE_FOR_OTHERS = 0o022;
/** Who may write to such a directory renames and removes only what is his own. */
const STICKY = 0o1000;

/**
 * Makes `path` with the permissions `mode` where it is missing, its parents too.
 * @throws Error when it is no directory of the user running this program, when others may write to it,
 * or could put another one in its place.
 */
export async function openOwnDirectory(path: string, mode: number): Promise<void> {
  // First as far as they are there, so that nothing is made where somebody else wants it.
  await checkParents(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await Deno.mkdir(path, { recursive: true, mode });
  await checkParents(path);
  const info = await Deno.lstat(path);
  if (!info.isDirectory || info.uid !== Deno.uid()) {
    throw new Error("it is not a directory of the user running this program");
  }
  if (((info.mode ?? 0) & WRITABLE_FOR_OTHERS) !== 0) throw new Error("others may write to it");
}

/** Looks at every directory on the way, and at those that links on the way lead through. */
async function checkParents(path: string): Promise<void> {
  const names = resolve(dirname(path)).split("/").filter((name) => name !== "");
  let links = 0;
  let reached = "/";
  // Its owner, whom a user namespace may show as nobody, can do as he likes anyway.
  const trusted = [0, Deno.uid(), (await Deno.lstat(reached)).uid];
  await checkParent(reached, trusted);
  for (let name: string | undefined; (name = names.shift()) !== undefined;) {
    const next = join(reached, name);
    const { isSymlink, uid } = await Deno.lstat(next);
    if (!isSymlink) {
      await checkParent(reached = next, trusted);
      continue;
    }
    if (!trusted.includes(uid)) throw new Error(`${next} is a link that somebody else has made`);
    if (++links > LINKS_MAX) throw new Error(`${next} leads through more than ${LINKS_MAX} links`);
    const target = await Deno.readLink(next);
    if (target.startsWith("/")) reached = "/";
    names.unshift(...target.split("/").filter((part) => part !== ""));
  }
}

async function checkParent(path: string, trusted: readonly (number | null)[]): Promise<void> {
  const { uid, gid, mode } = await Deno.lstat(path);
  if (!trusted.includes(uid)) throw new Error(`${path}, which it is in, belongs to somebody else`);
  // Some systems give each user a group of his own, which may write.
  const isOwnGroup = uid !== 0 && uid === Deno.uid() && gid === Deno.gid();
  const others = (mode ?? 0) & (isOwnGroup ? WRITABLE_FOR_ALL : WRITABLE_FOR_OTHERS);
  if (others === 0 || ((mode ?? 0) & STICKY) !== 0) return;
  throw new Error(`others may write to ${path}, which it is in, and put another one in its place`);
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
