/**
 * What the two programs share at the command line: options as Go's flag package and GNU both write
 * them, values checked with a message that names the option, logs on stderr, and an exit code a
 * script can rely on. Everything here is a function of its arguments, except what says "reads".
 *
 * This file: the exit codes, and how an error becomes one line for a person.
 */

export const EXIT_OK = 0;
/** The program could not do what was asked. */
export const EXIT_FAILURE = 1;
/** The command line was wrong: nothing was tried. */
export const EXIT_USAGE = 2;

/** Nothing runs that could be asked. */
export const EXIT_NOT_RUNNING = 3;

/** The command line asks for something the program does not do. The message names the option. */
export class UsageError extends Error {
  override name = "UsageError";
}

/** The machine lacks what the program needs. The message says what to do about it. */
export class PreflightError extends Error {
  override name = "PreflightError";
}

const CAUSES_MAX = 5;

/**
 * The text for stderr, ending in a line feed: one line `program: message: cause`, and with
 * `"with stack"` the stack below it. Control characters are escaped, so that a message with a
 * peer's words in it cannot move the cursor or fake a second line.
 */
export function failureText(
  program: string,
  error: unknown,
  detail: "one line" | "with stack",
): string {
  const line = `${program}: ${failureMessage(error)}\n`;
  if (detail === "one line") return line;
  return line + failureStacks(error)
    .map((stack) => stack.split("\n").map(escapeControl).join("\n") + "\n").join("");
}

/** The line alone, as `failureText` has it behind the name of the program. */
export function failureMessage(error: unknown): string {
  const messages = new Set(inOrder(error).map(messageWithCauses));
  return escapeControl([...messages].join("; then: "));
}

/** Where it failed, and where the clean-up after it did. */
export function failureStacks(error: unknown): string[] {
  return inOrder(error).map((each) => each instanceof Error ? each.stack ?? "" : "")
    .filter((stack) => stack !== "");
}

/** `EXIT_USAGE` for a wrong command line, `EXIT_FAILURE` for every other error. */
export function exitCodeFor(error: unknown): number {
  return error instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE;
}

/** Writes C0, C1 and DEL characters and the line separators of Unicode as `\xNN` or `\uNNNN`. */
export function escapeControl(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, (character) => {
    const code = character.charCodeAt(0);
    if (character === "\t") return "\\t";
    if (character === "\n") return "\\n";
    if (character === "\r") return "\\r";
    return code < 0x100
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** What failed first, then what failed while cleaning up after it: `using` wraps the two in one. */
function inOrder(error: unknown): unknown[] {
  const later: unknown[] = [];
  let first = error;
  while (first instanceof SuppressedError && later.length < CAUSES_MAX) {
    later.unshift(first.error);
    first = first.suppressed;
  }
  return [first, ...later];
}

function messageWithCauses(error: unknown): string {
  const messages: string[] = [];
  let current: unknown = error;
  // Counted, because a cause may refer back to itself.
  for (let depth = 0; depth <= CAUSES_MAX && current !== undefined && current !== null; depth++) {
    const message = current instanceof Error ? current.message || current.name : String(current);
    // A wrapper often quotes its cause already: saying it twice helps nobody.
    if (!messages.some((said) => said.includes(message))) messages.push(message);
    current = current instanceof Error ? current.cause : undefined;
  }
  return messages.join(": ") || "unknown error";
}
