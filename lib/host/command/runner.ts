/**
 * Programs such as `ip` and `iptables` are run through one injected `CommandRunner`: arguments go as
 * a list and never through a shell, answers come in the C locale, and both the time a program takes
 * and the text it prints are bounded. Tests hand in a `FakeRunner` (testing/), or a runner that works inside a
 * network namespace.
 */
import * as v from "valibot";
import { CommandError } from "./command_error.ts";

export { CommandError, MissingProgramError } from "./command_error.ts";
export { SystemRunner } from "./system_runner.ts";

export interface CommandResult {
  stdout: string;
  stderr: string;
  code: number;
}

export interface CommandOptions {
  /** Written to the program's standard input, which is closed after it. */
  input?: string;
  timeoutMs?: number;
}

export interface CommandRunner {
  /**
   * Runs `argv[0]` with the rest as arguments. A nonzero exit code is a result, not an exception.
   * Throws MissingProgramError, or CommandError when the program was stopped for its time or output.
   */
  run(argv: readonly string[], options?: CommandOptions): Promise<CommandResult>;
}

/** Runs a command that must succeed. Throws CommandError for a nonzero exit code. */
export async function runChecked(
  runner: CommandRunner,
  argv: readonly string[],
  options?: CommandOptions,
): Promise<string> {
  const result = await runner.run(argv, options);
  if (result.code !== 0) throw new CommandError(argv, result.code, result.stderr);
  return result.stdout;
}

/** What `ip` says, in the C locale, of a family that the kernel was built or started without. */
const UNKNOWN_FAMILY = "Address family not supported by protocol";

/**
 * What a command prints that lists something. Empty where the kernel has no such address family, as
 * with ipv6.disable=1: there is nothing of it. Throws CommandError for any other nonzero exit code.
 */
export async function runForText(
  runner: CommandRunner,
  argv: readonly string[],
): Promise<string> {
  const result = await runner.run(argv);
  if (result.code === 0) return result.stdout;
  if (result.stderr.includes(UNKNOWN_FAMILY)) return "";
  throw new CommandError(argv, result.code, result.stderr);
}

/**
 * Runs a command that prints a JSON list and returns the items that fit `schema`; others are left
 * out, as iproute2 prints `{}` for each object a filter removed and knows more kinds than we do.
 * Throws CommandError for a nonzero exit code or an answer that is no JSON list.
 */
export async function runForList<Schema extends v.GenericSchema>(
  runner: CommandRunner,
  argv: readonly string[],
  schema: Schema,
): Promise<v.InferOutput<Schema>[]> {
  const stdout = await runForText(runner, argv);
  // iproute2 prints nothing at all for some empty lists.
  const items = stdout.trim() === "" ? [] : parseJson(stdout);
  if (!Array.isArray(items)) {
    throw new CommandError(argv, 0, "", "its answer is not a JSON list; is the program too old?");
  }
  return items.flatMap((item) => {
    const parsed = v.safeParse(schema, item);
    return parsed.success ? [parsed.output] : [];
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
