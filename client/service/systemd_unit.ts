/** The units of the packages, as systemd knows them: fluxify-client.service, fluxify-client@home.service. */
import {
  CommandError,
  type CommandRunner,
  MissingProgramError,
} from "../../lib/host/command/runner.ts";

/** There while systemd is the machine's service manager: sd_booted(3). */
const BOOTED = "/run/systemd/system";
/** A unit that waits for its program to be ready gives up by itself before. */
const START_MS = 100_000;
const JOURNAL_LINES = 5;

export function unitName(instance: string | null): string {
  return instance === null ? "fluxify-client.service" : `fluxify-client@${instance}.service`;
}

/** Whether systemd runs here and has the unit. */
export async function hasUnit(runner: CommandRunner, unit: string): Promise<boolean> {
  try {
    if (!(await Deno.stat(BOOTED)).isDirectory) return false;
  } catch {
    return false;
  }
  return (await tryRun(runner, ["systemctl", "cat", unit]))?.code === 0;
}

/** Null when it was started, else what systemctl says. */
export async function startUnit(runner: CommandRunner, unit: string): Promise<string | null> {
  const result = await tryRun(runner, ["systemctl", "start", unit], START_MS);
  if (result === null) return "systemctl does not answer";
  return result.code === 0 ? null : result.stderr.trim().split("\n")[0] ?? "";
}

/** Why the unit's program has ended, from its journal; null while it runs or is being started. */
export async function whyUnitEnded(runner: CommandRunner, unit: string): Promise<string | null> {
  const state = (await tryRun(runner, ["systemctl", "is-active", unit]))?.stdout.trim();
  if (state === "active" || state === "activating" || state === "reloading") return null;
  const argv = ["journalctl", "-u", unit, "-n", String(JOURNAL_LINES), "-o", "cat", "--no-pager"];
  const lines = (await tryRun(runner, argv))?.stdout.split("\n") ?? [];
  const said = lines.findLast((line) => line.startsWith("fluxify-client: "));
  return said?.slice("fluxify-client: ".length) ??
    `it has ended; 'journalctl -u ${unit}' says more`;
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
