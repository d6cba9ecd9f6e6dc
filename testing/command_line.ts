/** What the tests of both command lines ask of them. */
import { deepEqual, equal, ok } from "node:assert/strict";

const WIDTHS = [72, 80, 120];

/** As far as a command line was only printed about. */
interface Parsed {
  readonly command: string;
  readonly text?: string;
  readonly exitCode?: number;
}

/** Asserts that the help of a program has no line longer than the terminal, however wide that is. */
export function assertHelpFits(help: (width: number) => Parsed): void {
  for (const width of WIDTHS) {
    const printed = help(width);
    ok(printed.command === "print" && printed.text !== undefined, printed.command);
    const tooLong = printed.text.split("\n").filter((line) => line.length > width);
    deepEqual(tooLong, [], `at ${width}`);
  }
}

/** Asserts that a command line was refused. Returns what is said of it on stderr. */
export function refusedText(parsed: Parsed, argv: readonly string[]): string {
  ok(parsed.command === "print" && parsed.text !== undefined, `${argv.join(" ")} was accepted`);
  equal(parsed.exitCode, 2);
  return parsed.text;
}
