/** The units of the packages, as systemd knows them: fluxify-client.service, fluxify-client@home.service. */
import { CommandError, type CommandRunner, MissingProgramError } from "../command/runner.ts";

/** There while systemd is the machine's service manager: sd_booted(3). */
const BOOTED = "/run/systemd/system";
const JOURNAL_LINES = "10";
/** Of a program that is ready at once, or says why not. */
const START_MS = 100_000;

/** `program` as in `fluxify-client`; `instance`: what it is called, or null. */
export function unitName(program: string, instance: string | null): string {
  return instance === null ? `${program}.service` : `${program}@${instance}.service`;
}

/** Whether systemd runs here and has the unit. */
export async function hasUnit(runner: CommandRunner, unit: string): Promise<boolean> {
  const isBooted = await Deno.stat(BOOTED).then(({ isDirectory }) => isDirectory, () => false);
  return isBooted && (await tryRun(runner, ["systemctl", "cat", unit]))?.code === 0;
}

/**
 * Starts the unit; "in the background" does not wait until it is ready. Null when that went well, else
 * what systemctl says.
 */
export function startUnit(
  runner: CommandRunner,
  unit: string,
  how: "and wait" | "in the background",
): Promise<string | null> {
  return control(runner, ["start", ...how === "and wait" ? [] : ["--no-block"], unit]);
}

/** Starts the unit with the machine from now on. Null when that is done, else why not. */
export function enableUnit(runner: CommandRunner, unit: string): Promise<string | null> {
  return control(runner, ["enable", unit]);
}

/** Why the unit's program has ended, from its journal; null while it runs or is being started. */
export async function whyUnitEnded(runner: CommandRunner, unit: string): Promise<string | null> {
  const argv = ["systemctl", "show", "-p", "ActiveState", "-p", "SubState", "-p", "Job", unit];
  const text = (await tryRun(runner, argv))?.stdout ?? "";
  const state = Object.fromEntries(text.trim().split("\n").map((line) => line.split("=", 2)));
  const isQueued = state.Job !== undefined && state.Job !== "" && state.Job !== "0";
  const isFailing = state.SubState === "auto-restart";
  const runs = ["active", "activating", "reloading", "deactivating"].includes(state.ActiveState);
  if (!isFailing && (isQueued || runs)) return null;
  const said = await lastWords(runner, unit);
  return isFailing ? `${said}; systemd tries it again` : said;
}

/** The line with which the unit's program has ended, without its name. */
export async function lastWords(runner: CommandRunner, unit: string): Promise<string> {
  const argv = ["journalctl", "-u", unit, "-n", JOURNAL_LINES, "-o", "cat", "--no-pager"];
  const lines = (await tryRun(runner, argv))?.stdout.split("\n") ?? [];
  const said = lines.findLast((line) => /^fluxify-(client|server): /.test(line));
  return said?.replace(/^[^:]*: /, "") ?? `'journalctl -u ${unit}' says why`;
}

async function control(runner: CommandRunner, words: readonly string[]): Promise<string | null> {
  const result = await tryRun(runner, ["systemctl", ...words], START_MS);
  if (result === null) return "systemctl does not answer";
  return result.code === 0 ? null : result.stderr.trim().split("\n")[0] ?? "";
}

/** Null where there is no such program, or it does not answer in time. */
async function tryRun(runner: CommandRunner, argv: readonly string[], timeoutMs?: number) {
  try {
    return await runner.run(argv, timeoutMs === undefined ? {} : { timeoutMs });
  } catch (error) {
    if (error instanceof MissingProgramError || error instanceof CommandError) return null;
    throw error;
  }
}
