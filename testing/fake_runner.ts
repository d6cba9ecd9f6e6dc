import type { CommandOptions, CommandResult, CommandRunner } from "../lib/host/command/runner.ts";

/** Standard output alone, parts of a result, or an exception to throw. */
type FakeAnswer = string | Partial<CommandResult> | Error;

interface FakeCall {
  argv: readonly string[];
  input: string | undefined;
}

/** Answers from a script and records what was asked. Throws when nothing fits the command. */
export class FakeRunner implements CommandRunner {
  readonly calls: FakeCall[] = [];
  readonly #script: {
    prefix: string;
    answer: (argv: readonly string[], input?: string) => FakeAnswer;
  }[] = [];

  /** The commands asked, one line each. */
  get lines(): string[] {
    return this.calls.map((call) => call.argv.join(" "));
  }

  /** Answers every command whose line starts with `prefix`; what was said last goes first. */
  on(
    prefix: string,
    answer: FakeAnswer | ((argv: readonly string[], input?: string) => FakeAnswer),
  ): this {
    this.#script.unshift({ prefix, answer: typeof answer === "function" ? answer : () => answer });
    return this;
  }

  run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    this.calls.push({ argv, input: options.input });
    const line = argv.join(" ");
    const rule = this.#script.find(({ prefix }) => line.startsWith(prefix));
    const answer = rule === undefined
      ? new Error(`FakeRunner has no answer for "${line}"`)
      : rule.answer(argv, options.input);
    if (answer instanceof Error) return Promise.reject(answer);
    const parts = typeof answer === "string" ? { stdout: answer } : answer;
    return Promise.resolve({ stdout: "", stderr: "", code: 0, ...parts });
  }
}
