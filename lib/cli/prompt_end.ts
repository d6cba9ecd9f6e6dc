/** How questions end that nobody answers. */
import { UsageError } from "./exit.ts";

/** The user left, or the program was told to stop: no failure of anything. */
export function isPromptLeft(error: unknown): boolean {
  return error instanceof Error &&
    ["ExitPromptError", "AbortPromptError", "CancelPromptError", "AbortError"].includes(error.name);
}

/** @throws UsageError that names the flags to use, where nobody could answer */
export function requireAnswers(flags: string): void {
  if (Deno.stdin.isTerminal() && Deno.stdout.isTerminal()) return;
  throw new UsageError(`setup asks questions and needs a terminal: without one, use ${flags}`);
}
