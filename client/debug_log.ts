/** What -v logs, in a file besides: `client_debug.log` beside the settings, 5 MB at most. */
import { closeSync, fchownSync, openSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { addLogReader, formatTextLine } from "../lib/cli/log.ts";
import type { InvokingUser } from "../lib/cli/user_home.ts";
import { settingsPath } from "./config/settings_file.ts";
import { UserFolder } from "./config/user_folder.ts";

const NAME = "client_debug.log";
const BYTES_MAX = 5 * 1024 * 1024;
const MODE = 0o600;

/**
 * Begins the file anew, and returns its path. What is beyond the limit is left out. The file is
 * closed, and the log no longer copied, when the result is disposed of.
 * @throws Error when the file cannot be made
 */
export function openDebugLog(user: InvokingUser, bytesMax = BYTES_MAX): Disposable & {
  readonly path: string;
} {
  using folder = UserFolder.make(dirname(settingsPath(user)), user);
  const path = join(folder.path, NAME);
  try {
    // A link in its place leads to a file that is none of ours.
    Deno.removeSync(folder.at(NAME));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  const file = openSync(folder.at(NAME), "wx", MODE);
  // Of the file itself: in a folder of the user's another may have its name by now.
  if (user.owner !== null) fchownSync(file, user.owner.uid, user.owner.gid);
  const encoder = new TextEncoder();
  let left = bytesMax;
  const reader = addLogReader((record) => {
    const bytes = encoder.encode(formatTextLine(record));
    if (bytes.byteLength > left) {
      left = 0;
      return;
    }
    left -= bytes.byteLength;
    try {
      writeSync(file, bytes);
    } catch {
      left = 0; // a full disk ends the copy, and nothing else
    }
  });
  return {
    path,
    [Symbol.dispose]() {
      reader[Symbol.dispose]();
      closeSync(file);
    },
  };
}
