import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { FileRecord, SavedFile } from "./record.ts";

const SIZE_LIMIT_BYTES = 1024 * 1024;

export function digestOf(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}

/** What is at `path` at present: a file with its rights, a symbolic link, or nothing. */
export async function saveFile(path: string): Promise<SavedFile> {
  let info: Deno.FileInfo;
  try {
    info = await Deno.lstat(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { type: "absent" };
    throw error;
  }
  if (info.isSymlink) return { type: "symlink", target: await Deno.readLink(path) };
  if (!info.isFile || info.size > SIZE_LIMIT_BYTES) {
    throw new RangeError(`Cannot keep a copy of ${path}: not a file, or too large`);
  }
  return {
    type: "file",
    base64: (await Deno.readFile(path)).toBase64(),
    mode: (info.mode ?? 0o644) & 0o7777,
    uid: info.uid ?? 0,
    gid: info.gid ?? 0,
  };
}

/** Puts `content` at `path` in one step, in the place of a symbolic link too. */
export async function replaceFile(path: string, content: Uint8Array, mode: number): Promise<void> {
  await putInPlace(path, async (temporary) => {
    await Deno.writeFile(temporary, content, { mode, createNew: true });
    await Deno.chmod(temporary, mode); // regardless of the umask
  }, () => Deno.writeFile(path, content));
}

/** Puts the saved one back, unless somebody else has changed the file since. */
export async function restoreFile(record: FileRecord): Promise<"restored" | "changed since"> {
  const { path, saved } = record;
  const present = await saveFile(path);
  if (isDeepStrictEqual(present, saved)) return "restored"; // never done, or undone before
  if (present.type !== "file") return "changed since";
  if (digestOf(Uint8Array.fromBase64(present.base64)) !== record.digest) return "changed since";
  switch (saved.type) {
    case "absent":
      await Deno.remove(path);
      break;
    case "symlink":
      await putInPlace(path, (temporary) => Deno.symlink(saved.target, temporary));
      break;
    case "file": {
      const content = Uint8Array.fromBase64(saved.base64);
      await putInPlace(path, async (temporary) => {
        await Deno.writeFile(temporary, content, { mode: saved.mode, createNew: true });
        await Deno.chown(temporary, saved.uid, saved.gid);
        await Deno.chmod(temporary, saved.mode);
      }, () => Deno.writeFile(path, content));
      break;
    }
    default:
      saved satisfies never;
  }
  return "restored";
}

/**
 * Makes the new file beside the old one and renames it. Containers mount single files such as
 * /etc/resolv.conf, which cannot be renamed over: then `fallback` writes into the file.
 */
async function putInPlace(
  path: string,
  make: (temporary: string) => Promise<void>,
  fallback?: () => Promise<void>,
): Promise<void> {
  const temporary = `${path}.fluxify-${Deno.pid}`;
  await removeIfThere(temporary);
  try {
    await make(temporary);
    await Deno.rename(temporary, path);
  } catch (error) {
    await removeIfThere(temporary);
    // Through a symbolic link it would be the file of somebody else that is written.
    if (fallback === undefined || !(await Deno.lstat(path).catch(() => null))?.isFile) throw error;
    await fallback();
  }
}

async function removeIfThere(path: string): Promise<void> {
  await Deno.remove(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}
