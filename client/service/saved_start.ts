/** What the client is started with by `up` and `run`: the saved settings, and where they are. */
import { join, resolve } from "node:path";
import { UsageError } from "../../lib/cli/exit.ts";
import { expandHome, type InvokingUser } from "../../lib/cli/user_home.ts";
import {
  type ClientCommand,
  describeClientProgram,
  parseClientOptions,
} from "../config/options.ts";
import type { SavedChoice, ServiceCommand } from "../config/service_options.ts";
import { MODE_KEY, type Settings } from "../config/settings.ts";
import { loadSettings, settingsPath, SYSTEM_FOLDER } from "../config/settings_file.ts";

interface SavedStart {
  /** Runs in one of the two modes, or says what is wrong with the settings. */
  readonly start: ClientCommand;
  /** The whole path of the file they are in. */
  readonly path: string;
  readonly notices: readonly string[];
}

/** Where the settings of the machine's service are, whether or not there are any. */
export function systemSettingsPath(instance: string | null): string {
  return join(SYSTEM_FOLDER, instance === null ? "client.json" : `client-${instance}.json`);
}

/** The files in which settings of the instance are looked for; the first that is there counts. */
function savedFiles(
  user: Pick<InvokingUser, "home">,
  { instance, file }: SavedChoice,
  prefers: "the user's own" | "the machine's" = "the user's own",
): string[] {
  if (file !== null) return [resolve(expandHome(file, user.home))];
  const files = [settingsPath(user, instance), systemSettingsPath(instance)];
  return prefers === "the machine's" ? files.reverse() : files;
}

/**
 * @throws UsageError where nothing is saved, or not enough, and as loadSettings(); the message says
 * what to do.
 */
export async function savedStart(
  user: InvokingUser,
  command: Pick<ServiceCommand, "instance" | "file" | "flags">,
  prefers?: "the user's own" | "the machine's",
): Promise<SavedStart> {
  const program = describeClientProgram();
  const files = savedFiles(user, command, prefers);
  for (const path of files) {
    const { isFirst, settings, notices } = await loadSettings(user, program, path);
    if (isFirst) continue;
    return { start: startOf(user, command, settings, path), path, notices };
  }
  throw new UsageError(
    `there are no saved settings in ${files.join(" or ")}: ` +
      "'sudo fluxify-client setup' asks for them",
  );
}

function startOf(
  user: InvokingUser,
  { instance, flags }: Pick<ServiceCommand, "instance" | "flags">,
  settings: Settings,
  path: string,
): ClientCommand {
  const mode = settings.get(MODE_KEY);
  if (mode === undefined) {
    throw new UsageError(
      `${path} does not say "${MODE_KEY}": "bonding" or "load-balance"; ` +
        "'sudo fluxify-client setup' asks for it",
    );
  }
  // There is no terminal to show a screen on.
  const saved = new Map([...settings].filter(([key]) => key !== "ui"));
  const name = instance === null ? [] : ["-name", instance];
  const words = [mode === "load-balance" ? "-l" : "-b", ...name, ...flags];
  const start = parseClientOptions(words, user.home, saved);
  // What is wrong is told as a command line's fault would be, with the file it is in.
  return start.command === "print"
    ? { ...start, text: `${start.text.trimEnd()} (${path})\n` }
    : start;
}
