/** The settings on disk: `config.json` in ~/.fluxify of the user who called sudo. */
import { messageOf } from "../../lib/ffi/error_text.ts";
import { closeSync, constants, fchownSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { UsageError } from "../../lib/cli/exit.ts";
import type { InvokingUser } from "../../lib/cli/user_home.ts";
import {
  readError,
  SECRET_FILE_MODE,
  writeError,
  writeFilesAtomically,
} from "../../lib/pki/secure_file.ts";
import { MODE_KEY, readSettings, type Settings, settingsObject } from "./settings.ts";

const DIRECTORY = ".fluxify";
const FILE = "config.json";
const DIRECTORY_MODE = 0o700;
const FILE_BYTES_MAX = 64 * 1024;
/** The original's way to write the certificate's path, before it was called cert. */
const OLD_CERT = "client";

export interface LoadedSettings {
  readonly path: string;
  readonly settings: Settings;
  /** There is no file yet. */
  readonly isFirst: boolean;
  /** For the user: what was carried over, or put aside. */
  readonly notices: readonly string[];
}

/** `instance`: what it is called, or null for the one without a name. */
export function settingsPath(
  { home }: Pick<InvokingUser, "home">,
  instance: string | null = null,
): string {
  return join(home, DIRECTORY, instance === null ? FILE : `config-${instance}.json`);
}

/**
 * Reads and checks the settings. A file that is no JSON is kept as config.json.bad; the original's
 * is carried over and kept as config.json.original. `path` is the user's own unless given.
 * @throws UsageError that names the field; an Error when the file cannot be read
 */
export async function loadSettings(
  user: InvokingUser,
  program: CommandUnknownOpts,
  path = settingsPath(user),
): Promise<LoadedSettings> {
  const text = readText(path);
  if (text === null) return { path, settings: new Map(), isFirst: true, notices: [] };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser quotes what it read, which need not be ours to show.
    return { path, settings: new Map(), isFirst: false, notices: [putAside(path)] };
  }
  const original = fromOriginal(json);
  if (original === null) {
    return { path, settings: readSettings(json, program, path), isFirst: false, notices: [] };
  }
  const settings = readSettings(original, program, path);
  const notices = [`${path} is of the original Fluxify: carried over`];
  try {
    Deno.renameSync(path, `${path}.original`);
    await saveSettings(user, settings, program, path);
    notices[0] += `, and kept as ${path}.original`;
  } catch (error) {
    notices[0] += `, but not written: ${error instanceof Error ? error.message : error}`;
  }
  return { path, settings, isFirst: false, notices };
}

/**
 * Writes the settings in one step: a reader sees the old file or the new one. It belongs to the user,
 * mode 0600.
 * @throws Error or PkiError that says what could not be written
 */
export async function saveSettings(
  user: InvokingUser,
  settings: Settings,
  program: CommandUnknownOpts,
  path = settingsPath(user),
): Promise<void> {
  const text = JSON.stringify(settingsObject(settings, program), null, 2) + "\n";
  makeDirectory(dirname(path), user);
  await writeFilesAtomically([{ path, text, mode: SECRET_FILE_MODE, owner: user.owner }]);
}

/**
 * Makes `directory`, the user's own.
 * @throws PkiError when it cannot be made, Error when root would write where the user could not
 */
export function makeDirectory(directory: string, { owner }: InvokingUser): void {
  try {
    Deno.mkdirSync(directory, { mode: DIRECTORY_MODE });
    if (owner !== null) giveFolder(directory, owner);
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw writeError(directory, error);
  }
  // As root, nothing is written where the user could not: a link may lead anywhere.
  const { uid } = Deno.statSync(directory);
  if (owner !== null && uid !== owner.uid && uid !== 0) {
    throw new Error(`${directory} belongs to somebody else`);
  }
  if (owner !== null && uid === 0 && Deno.lstatSync(directory).isSymlink) {
    throw new Error(`${directory} leads to a folder of root`);
  }
}

/** A folder and nothing else: in the user's home another thing may have its name by now. */
function giveFolder(path: string, { uid, gid }: NonNullable<InvokingUser["owner"]>): void {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  const folder = openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    fchownSync(folder, uid, gid);
  } finally {
    closeSync(folder);
  }
}

function readText(path: string): string | null {
  const buffer = new Uint8Array(FILE_BYTES_MAX + 1);
  let length = 0;
  try {
    // A pipe or a device in its place would be waited for.
    if (!Deno.statSync(path).isFile) throw unfit(path, "it is no file");
    using file = Deno.openSync(path, { read: true });
    for (let count: number | null; (count = file.readSync(buffer.subarray(length))) !== null;) {
      length += count;
      if (length > FILE_BYTES_MAX) throw unfit(path, `it is larger than ${FILE_BYTES_MAX} bytes`);
    }
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return null;
    throw cause instanceof UsageError ? cause : new UsageError(readError(path, cause).message);
  }
  return new TextDecoder().decode(buffer.subarray(0, length));
}

function unfit(path: string, why: string): UsageError {
  return new UsageError(`Cannot read ${path}: ${why}; correct it, or move it away`);
}

function putAside(path: string): string {
  try {
    Deno.renameSync(path, `${path}.bad`);
    return `${path} is no JSON: kept as ${path}.bad, and the built-in settings are used`;
  } catch (error) {
    return `${path} is no JSON, so the built-in settings are used; it cannot be put aside: ${
      reasonOf(error)
    }`;
  }
}

/** The settings in our words when `json` was written by the original, which had no version in it. */
function fromOriginal(json: unknown): Record<string, unknown> | null {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return null;
  if ("version" in json || !(MODE_KEY in json)) return null;
  const old = json as Record<string, unknown>;
  const known = ["server", MODE_KEY, "ifaces", "cert", OLD_CERT, "pki", "ctrl"];
  if (Object.keys(old).some((key) => !known.includes(key))) return null;
  const { [OLD_CERT]: oldCert, ...rest } = old;
  const cert = rest.cert || oldCert;
  const entries = Object.entries({ ...rest, cert })
    .filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== 0)
    .filter(([, value]) => !(Array.isArray(value) && value.length === 0));
  return Object.fromEntries(entries);
}

/** Without Deno's repetition of the call and the path. */
function reasonOf(cause: unknown): string {
  const message = messageOf(cause);
  return message.replace(/ \(os error \d+\).*$/s, "");
}
