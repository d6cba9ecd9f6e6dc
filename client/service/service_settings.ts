/** The settings of the machine's own service, made from those of a person who has answered `setup`. */
import { basename, dirname, join, resolve } from "node:path";
import { expandHome, type InvokingUser } from "../../lib/cli/user_home.ts";
import { loadClientCredentials } from "../../lib/pki/client_credentials.ts";
import {
  readSmallFile,
  SECRET_FILE_MODE,
  writeFilesAtomically,
} from "../../lib/pki/secure_file.ts";
import { describeClientProgram } from "../config/options.ts";
import { MODE_KEY, type Settings } from "../config/settings.ts";
import { saveSettings } from "../config/settings_file.ts";
import { systemSettingsPath } from "./saved_start.ts";

const FOLDER_MODE = 0o700;

/**
 * Writes them, and returns where. A bundle is copied beside them, since a home need not be there when
 * the machine starts. @throws PkiError; Error that says what cannot be written.
 */
export async function saveForService(
  user: InvokingUser,
  settings: Settings,
  path = systemSettingsPath(null),
): Promise<string> {
  const saved = new Map(settings);
  if (settings.get(MODE_KEY) !== "load-balance") {
    const { pki, cert } = await moveCredentials(user, settings, join(dirname(path), "client"));
    saved.set("pki", pki);
    saved.set("cert", cert);
  }
  await saveSettings({ home: "/root", owner: null }, saved, describeClientProgram(), path);
  return path;
}

/** The folder and the file to use, whole paths both. */
async function moveCredentials(
  { home }: InvokingUser,
  settings: Settings,
  folder: string,
): Promise<{ pki: string; cert: string }> {
  const whole = (text: string | boolean | undefined, otherwise: string) =>
    resolve(expandHome(typeof text === "string" && text !== "" ? text : otherwise, home));
  const pki = whole(settings.get("pki"), "~/.fluxify");
  const named = settings.get("cert");
  const file = named === undefined ? undefined : whole(named, "");
  const { source } = await loadClientCredentials(pki, file, new Date());
  const found = resolve(source);
  if (!found.endsWith(".bundle") || dirname(found) === folder) return { pki, cert: found };
  const text = await readSmallFile(found);
  await Deno.mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  const cert = join(folder, basename(found));
  await writeFilesAtomically([{ path: cert, text, mode: SECRET_FILE_MODE }]);
  return { pki: folder, cert };
}
