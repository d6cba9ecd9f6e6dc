import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { UsageError } from "./exit.ts";

export type Shell = "bash" | "zsh" | "fish";

const SHELLS = ["bash", "zsh", "fish"] as const satisfies Shell[];

/** What completion.ts is to do, which is loaded only then. */
export type CompletionCommand =
  | { readonly command: "completion"; readonly shell: Shell }
  | { readonly command: "complete"; readonly words: readonly string[] };

/** Adds `completion SHELL`, and `complete`, which the script of that command calls. */
export function addCompletionCommands(
  program: CommandUnknownOpts,
  accept: (command: CompletionCommand) => void,
): void {
  program.command("completion").argument("<shell>", SHELLS.join(", "))
    .description("print a script that completes words in a shell: bash, zsh or fish")
    .addHelpText("after", `\nIn bash: source <(${program.name()} completion bash)`)
    .action((name) => {
      const shell = SHELLS.find((one) => one === name);
      if (shell === undefined) {
        throw new UsageError(`completion is for bash, zsh or fish, not '${name}'`);
      }
      accept({ command: "completion", shell });
    });
  program.command("complete", { hidden: true }).argument("[words...]").allowUnknownOption()
    .action((words) => accept({ command: "complete", words }));
}
