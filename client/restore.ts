/** `fluxify-client restore`: undoes what a program that was killed left behind. */
import { inspectHost, refuseObstacle } from "../lib/cli/preflight.ts";
import { SystemRunner } from "../lib/net/command/runner.ts";
import { restoreStale } from "../lib/net/journal/host_journal.ts";
import { CLIENT_PROGRAM } from "./options.ts";

/** Returns what was done, a line each. @throws PreflightError, JournalError. */
export async function restore(): Promise<string[]> {
  refuseObstacle(CLIENT_PROGRAM, { ...inspectHost(), tunDevice: "present" });
  const lines = await restoreStale(new SystemRunner());
  return lines.length > 0 ? lines : ["nothing to restore: no earlier run left anything behind"];
}
