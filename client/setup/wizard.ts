/**
 * The questions of the first run, and of `fluxify-client setup`: mode, server, certificate, links.
 * Answers become settings; nothing is saved before the last question is answered.
 */
import { messageOf } from "../../lib/ffi/error_text.ts";
import checkbox from "@inquirer/checkbox";
import confirm from "@inquirer/confirm";
import input from "@inquirer/input";
import select from "@inquirer/select";
import { dirname, join } from "node:path";
import { UsageError } from "../../lib/cli/exit.ts";
import { expandHome, type InvokingUser } from "../../lib/cli/user_home.ts";
import { calledAs } from "../../lib/cli/called_as.ts";
import { answerOf, printer, promptText } from "../../lib/cli/screen/terminal_text.ts";
import { SystemRunner } from "../../lib/host/command/runner.ts";
import { loadClientCredentials } from "../../lib/pki/client_credentials.ts";
import { readSmallFile } from "../../lib/pki/secure_file.ts";
import { TUN_NAME } from "../config/bond_options.ts";
import { BONDED_LINKS_MIN, parseServerList, parseServers } from "../config/link_choice.ts";
import { CLIENT_PROGRAM, describeClientProgram } from "../config/options.ts";
import { readServerText, serverText } from "../config/server_setting.ts";
import { MODE_KEY, type Settings } from "../config/settings.ts";
import { saveSettings, settingsPath } from "../config/settings_file.ts";
import { UserFolder, writeUserFile } from "../config/user_folder.ts";
import { isHidden, readMachineLinks } from "../screen/form/machine_link.ts";
import { enableUnit, hasUnit, unitName } from "../../lib/host/service/systemd_unit.ts";
import { saveForService } from "../service/service_settings.ts";
import { readPasted } from "./pasted_bundle.ts";

const SHOWN_NAME = /[^A-Za-z0-9._-]/g;

/** What was answered, and whether to start with it. */
interface SetupOutcome {
  readonly settings: Settings;
  /** By a service, where systemd has the unit: it is enabled then, and has settings of its own. */
  readonly starts: "not" | "on the screen" | "as a service";
}

/** A bundle that was read, and the file it is to be in. */
interface ImportedBundle {
  readonly path: string;
  readonly text: string;
}

/**
 * Asks, then saves. `print` shows a line. To be called on a terminal only.
 * @throws an error of the prompts when `signal` is aborted or the user leaves with Ctrl-C
 */
export async function runSetup(
  user: InvokingUser,
  before: Settings,
  printLine: (line: string) => void,
  signal: AbortSignal,
): Promise<SetupOutcome> {
  const context = { signal };
  const print = printer(printLine);
  print("Fluxify: a few questions, then it can start. Ctrl-C leaves without saving anything.");
  const settings = new Map(before);
  let bundle: ImportedBundle | null = null;
  const mode = await select<"bonding" | "load-balance">({
    message: "What is it to do?",
    choices: [
      { name: "bonding: one tunnel over all links, to a fluxify-server", value: "bonding" },
      { name: "load balance: connections over all links, without a server", value: "load-balance" },
    ],
    default: before.get(MODE_KEY) === "load-balance" ? "load-balance" : "bonding",
  }, context);
  settings.set(MODE_KEY, mode);
  if (mode === "bonding") {
    const server = await input({
      message: "Name or address of the server (several servers with spaces between):",
      default: serverText(before),
      required: true,
      validate: (text) => answerOf(() => checkServers(text), UsageError),
    }, context);
    const { key, value, port } = readServerText(server);
    for (const one of ["server", "servers"]) settings.delete(one);
    settings.set(key, value);
    if (port !== null) settings.set("ctrl", port);
    const certificate = await askCertificate(user, settings, print, signal);
    if (certificate !== null) settings.set("cert", certificate.path);
    if (certificate !== null && "text" in certificate) bundle = certificate;
  }
  settings.set("ifaces", (await askLinks(before, context)).join(","));
  for (const key of ["ips", "weights"]) settings.delete(key);
  const runner = new SystemRunner();
  const unit = unitName(CLIENT_PROGRAM, null);
  const isService = Deno.uid() === 0 && await hasUnit(runner, unit) &&
    await confirm({ message: "Start now and with the machine, as a service?" }, context);
  const startsNow = !isService && await confirm({ message: "Start now?", default: true }, context);
  if (bundle !== null) await writeUserFile(bundle.path, bundle.text, user);
  await saveSettings(user, settings, describeClientProgram());
  print(
    `Saved in ${settingsPath(user)}; "sudo ${calledAs(CLIENT_PROGRAM)}" shows it all on a screen`,
  );
  if (!isService) return { settings, starts: startsNow ? "on the screen" : "not" };
  const saved = await saveForService(user, settings);
  const problem = await enableUnit(runner, unit);
  if (problem !== null) throw new Error(`Cannot enable ${unit}: ${problem}`);
  print(`Saved for the service in ${saved}; it starts with the machine`);
  return { settings, starts: "as a service" };
}

/** @throws UsageError */
function checkServers(text: string): void {
  const { key, value } = readServerText(text);
  if (key === "servers") parseServerList(value);
  else parseServers(value);
}

/**
 * The file of the certificate to use, maybe with what is yet to be written there; or null: the one
 * that is found in the PKI directory.
 */
async function askCertificate(
  user: InvokingUser,
  settings: Settings,
  print: (line: string) => void,
  signal: AbortSignal,
): Promise<{ readonly path: string } | ImportedBundle | null> {
  const pki = expandHome(textOf(settings, "pki") ?? "~/.fluxify", user.home);
  const found = await loadClientCredentials(pki, undefined, new Date()).catch(() => null);
  if (found !== null) {
    print(`Certificate: ${found.commonName}, from ${found.source}`);
    return null;
  }
  const how = await select({
    message: promptText('Which certificate? ("fluxify-server cert new NAME" makes NAME.bundle)'),
    choices: [
      { name: "a bundle in a file", value: "file" },
      { name: "paste a bundle", value: "paste" },
      { name: "later", value: "later" },
    ],
  }, { signal });
  if (how === "later") return null;
  if (how === "paste") {
    print("Paste the whole bundle, then press Enter twice; it is not shown, as it holds a key:");
    return await checkBundle(user, await readPasted(print, signal));
  }
  const file = await input({
    message: "Path of the bundle:",
    required: true,
    validate: async (text) => {
      const path = expandHome(text.trim(), user.home);
      return await loadClientCredentials(pki, path, new Date()).then(
        () => true,
        (error) => promptText(messageOf(error)),
      );
    },
  }, { signal });
  const path = expandHome(file.trim(), user.home);
  // A pair of files stays where it is; a bundle is copied to where it is looked for.
  return path.endsWith(".bundle") ? await checkBundle(user, await readSmallFile(path)) : { path };
}

/** Checks a bundle, and says where it is to be: beside the settings. @throws PkiError */
async function checkBundle(user: InvokingUser, text: string): Promise<ImportedBundle> {
  using folder = UserFolder.make(dirname(settingsPath(user)), user);
  const name = `.${crypto.randomUUID().slice(0, 8)}.bundle`;
  await folder.write(name, text);
  try {
    const written = join(folder.path, name);
    const { commonName } = await loadClientCredentials(folder.path, written, new Date());
    const path = join(folder.path, `${commonName.replaceAll(SHOWN_NAME, "_")}.bundle`);
    return { path, text };
  } finally {
    await Deno.remove(folder.at(name)).catch(() => {});
  }
}

async function askLinks(before: Settings, context: { signal: AbortSignal }): Promise<string[]> {
  const links = await readMachineLinks(new SystemRunner(), TUN_NAME);
  const chosen = textOf(before, "ifaces")?.split(",") ?? [];
  const shown = links.filter((link) => !isHidden(link) || chosen.includes(link.name));
  const usable = shown.filter(({ problem }) => problem === null).length;
  if (usable < BONDED_LINKS_MIN) {
    const seen = shown.map(({ name, problem }) => problem === null ? name : `${name} (${problem})`);
    throw new Error(
      `Cannot go on: two links are needed that can be used, and this machine has ${
        seen.join(", ") || "none"
      }; plug one in, and run "fluxify-client setup" again`,
    );
  }
  // In the order of the last time, as they are saved in the order in which they stand.
  const place = (name: string) => chosen.includes(name) ? chosen.indexOf(name) : chosen.length;
  shown.sort((one, other) => place(one.name) - place(other.name));
  return await checkbox({
    message: "Which links?",
    required: true,
    validate: (picked) => picked.length >= BONDED_LINKS_MIN || "two links at least",
    choices: shown.map(({ name, kind, addresses, problem }) => ({
      name: `${name}  ${kind}  ${addresses[0] ?? ""}`,
      value: name,
      disabled: problem ?? false,
      checked: problem === null && (chosen.length === 0 || chosen.includes(name)),
    })),
  }, context);
}

function textOf(settings: Settings, key: string): string | undefined {
  const value = settings.get(key);
  return typeof value === "string" && value !== "" ? value : undefined;
}
