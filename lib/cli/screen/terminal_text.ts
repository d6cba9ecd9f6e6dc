/** Text that is printed on a terminal line by line, as between questions. */
import { wrap } from "./styled_line.ts";

const COLUMNS_UNKNOWN = 80;
const LINES_MAX = 100;

/** Broken between words; what is set in by two spaces is to be copied, and stays in one line. */
export function terminalLines(text: string, columns: number): string[] {
  return text.startsWith("  ") ? [text] : wrap(text, columns, LINES_MAX);
}

/** `print` shows a line, which it is given as terminalLines() breaks it on this terminal. */
export function printer(print: (line: string) => void): (text: string) => void {
  return (text) => {
    for (const line of terminalLines(text, columnsOfTerminal())) print(line);
  };
}

/** What stands before a question or a refusal: `? `, `> `. */
const PROMPT_WIDTH = 2;

/** A question or a refusal for the prompts, which would break it inside of words. */
export function promptText(text: string, columns = columnsOfTerminal()): string {
  return wrap(text, columns - PROMPT_WIDTH, LINES_MAX).join("\n");
}

/**
 * Why a parser refuses what was typed, for the prompts; true when it does not. `refusals` are the
 * errors that say so; any other is thrown. A flag in front of the message becomes "It".
 */
export function answerOf(
  parse: () => unknown,
  ...refusals: (new (...args: never[]) => Error)[]
): string | true {
  try {
    parse();
    return true;
  } catch (error) {
    const refusal = refusals.find((kind) => error instanceof kind);
    if (refusal === undefined) throw error;
    return promptText((error as Error).message.replace(/^-\S+ /, "It "));
  }
}

function columnsOfTerminal(): number {
  try {
    return Deno.consoleSize().columns || COLUMNS_UNKNOWN;
  } catch {
    return COLUMNS_UNKNOWN; // it has just gone
  }
}
