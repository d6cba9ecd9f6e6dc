/** `fluxify-client restore`: undoes what a program that was killed left behind. */
import { inspectHost, refuseObstacle } from "../lib/cli/preflight.ts";
import { SystemRunner } from "../lib/host/command/runner.ts";
import { restoreStale, tellsOfFailure } from "../lib/host/journal/host_journal.ts";

/**
 * Prints what was done, a line for each program that is gone; `detail` "each change" a line for each
 * change as well, and for each program that runs. `lasting` "leave" keeps the kill switch of one that
 * was killed, which its next start takes over.
 * @throws PreflightError, JournalError; Error when something could not be undone.
 */
export async function restore(
  print: (line: string) => void,
  detail: "in short" | "each change",
  lasting: "undo" | "leave" = "undo",
): Promise<void> {
  refuseObstacle(
    { ...inspectHost(), tunDevice: "present" },
    "undo the routes, rules and DNS settings that an earlier run left",
  );
  const each = detail === "each change"
    ? { onUndone: (text: string) => print(`undid ${text}`), onKept: print }
    : {};
  report(await restoreStale(new SystemRunner(), undefined, { lasting, ...each }), print);
}

/** Prints the lines of restoreStale(). @throws Error when one tells of a failure. */
export function report(lines: readonly string[], print: (line: string) => void): void {
  if (lines.length === 0) print("nothing to restore: no earlier run left anything behind");
  for (const line of lines) print(line);
  if (!lines.some(tellsOfFailure)) return;
  throw new Error(
    "Cannot undo everything: the lines above say what is in the way; mend that, then run " +
      "'fluxify-client restore' again",
  );
}
