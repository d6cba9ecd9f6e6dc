/** The settings on disk: `config.json` in ~/.fluxify of the user who called sudo. */
import { messageOf } from "../../lib/ffi/error_text.ts";
import { basename, dirname, join } from "node:path";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { UsageError } from "../../lib/cli/exit.ts";
import type { InvokingUser } from "../../lib/cli/user_home.ts";
import { readError } from "../../lib/pki/secure_file.ts";
import { MODE_KEY, readSettings, type Settings, settingsObject } from "./settings.ts";
import { readUserFile, UnfitFileError, UserFolder, writeUserFile } from "./user_folder.ts";

const DIRECTORY = ".fluxify";
const FILE = "config.json";
/** Of the machine's own settings, those a service is started with. */
export const SYSTEM_FOLDER = "/etc/fluxify";
/** Behind the name of the file: what was in it when it was read last. */
const LAST = ".last";
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
 * Reads and checks the settings. A file that is no JSON is kept as config.json.bad, and those that were
 * read last are used, so that a file that was cut short costs nobody the kill switch; the original's
 * is carried over and kept as config.json.original. `path` is the user's own unless given.
 * @throws UsageError that names the field; an Error when the file cannot be read
 */
export async function loadSettings(
  user: InvokingUser,
  program: CommandUnknownOpts,
  path = settingsPath(user),
): Promise<LoadedSettings> {
  const text = readText(path, user);
  if (text === null) return { path, settings: new Map(), isFirst: true, notices: [] };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser quotes what it read, which need not be ours to show.
    return await lastSettings(user, program, path, putAside(path, user));
  }
  const original = fromOriginal(json);
  if (original === null) {
    const settings = readSettings(json, program, path);
    if (isOwnPlace(user, path)) await keepLast(user, path, text);
    return { path, settings, isFirst: false, notices: [] };
  }
  const settings = readSettings(original, program, path);
  const notices = [`${path} is of the original Fluxify: carried over`];
  try {
    rename(path, ".original", user);
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
  await writeUserFile(path, text, user);
}

function readText(path: string, user: InvokingUser): string | null {
  try {
    return readUserFile(path, user, FILE_BYTES_MAX);
  } catch (cause) {
    if (cause instanceof UnfitFileError) throw unfit(path, cause.message);
    throw new UsageError(readError(path, cause).message);
  }
}

/** What was read last, put back in the place of a file that cannot be used. */
async function lastSettings(
  user: InvokingUser,
  program: CommandUnknownOpts,
  path: string,
  notice: string,
): Promise<LoadedSettings> {
  const builtIn = (why: string): LoadedSettings => {
    const notices = [`${notice}, and the built-in settings are used${why}`];
    return { path, settings: new Map(), isFirst: false, notices };
  };
  try {
    const text = readText(`${path}${LAST}`, user);
    if (text === null) return builtIn("");
    const settings = readSettings(JSON.parse(text), program, `${path}${LAST}`);
    await writeUserFile(path, text, user);
    const notices = [`${notice}, and those read last are used and written in its place`];
    return { path, settings, isFirst: false, notices };
  } catch {
    return builtIn(", for those read last cannot be");
  }
}

/** Best effort: settings are read where nothing can be written, too. */
async function keepLast(user: InvokingUser, path: string, text: string): Promise<void> {
  try {
    if (readText(`${path}${LAST}`, user) === text) return;
    await writeUserFile(`${path}${LAST}`, text, user);
  } catch {
    // Then the last ones that could be kept are what is there.
  }
}

/** A file that is named by hand may be anywhere, and nothing is put beside it. */
function isOwnPlace(user: InvokingUser, path: string): boolean {
  return dirname(path) === dirname(settingsPath(user)) || dirname(path) === SYSTEM_FOLDER;
}

function unfit(path: string, why: string): UsageError {
  return new UsageError(`Cannot read ${path}: ${why}; correct it, or move it away`);
}

function rename(path: string, suffix: string, user: InvokingUser): void {
  using folder = UserFolder.open(dirname(path), user);
  const name = basename(path);
  Deno.renameSync(folder.at(name), folder.at(`${name}${suffix}`));
}

function putAside(path: string, user: InvokingUser): string {
  try {
    rename(path, ".bad", user);
    return `${path} is no JSON: kept as ${path}.bad`;
  } catch (error) {
    return `${path} is no JSON, and cannot be put aside (${reasonOf(error)})`;
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
