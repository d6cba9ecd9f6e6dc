/** What `fluxify-server restore` says: it is the client that has that command. */
import { EXIT_USAGE, failureText, UsageError } from "../lib/cli/exit.ts";

export function noRestore(program: string) {
  const why = "there is no 'restore' here: the next start of the server undoes what one that was " +
    "killed left behind, and 'fluxify-client restore' does so without a start";
  const text = failureText(program, new UsageError(why), "one line");
  return { command: "print", text, exitCode: EXIT_USAGE } as const;
}
