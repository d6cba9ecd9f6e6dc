import type { CommandUnknownOpts, Help } from "@commander-js/extra-typings";
import { EXIT_OK, EXIT_USAGE, failureText, UsageError } from "./exit.ts";
import { describeOption } from "./option_table.ts";
import { type KnownFlags, rewriteGoFlags } from "./go_flags.ts";
import { isNear } from "./near_word.ts";

/** The command line was answered by parsing it: write `text`, then end with `exitCode`. */
export interface Print {
  command: "print";
  /** For stdout when `exitCode` is 0, else for stderr. Ends in a line feed. */
  text: string;
  exitCode: number;
  /** The version was asked for: `text` is the number alone, and the program may say more. */
  about?: "version";
}

/** Hands what an action made of the command line to parseProgram(). */
export type Accept<Parsed> = (parsed: Parsed) => void;

/** By the names of flags that were removed: the flag that took their place. */
type Successors = Readonly<Record<string, string>>;

/** Columns of the help that no terminal reads. */
const HELP_WIDTH = 100;
const HELP_WIDTH_MIN = 40;
const HELP_WIDTH_MAX = 120;
/** Where the column beside the terms would be narrower, descriptions go below the terms. */
const DESCRIPTION_WIDTH_MIN = 20;
const TERM_INDENT = "  ";
const DESCRIPTION_INDENT = " ".repeat(6);

/** Columns for the help: those of the terminal on stdout, within reason. Reads the terminal. */
export function readHelpWidth(): number {
  if (!Deno.stdout.isTerminal()) return HELP_WIDTH;
  const { columns } = Deno.consoleSize();
  // A terminal that does not know its size says 0.
  if (columns === 0) return HELP_WIDTH;
  return Math.min(HELP_WIDTH_MAX, Math.max(HELP_WIDTH_MIN, columns));
}

/**
 * Parses `argv` (without the program's name) with the program that `build` makes. Each of its
 * actions calls `accept` with its result or throws UsageError. Help, the version and every error
 * come back as Print: nothing is written and the process does not exit. `help` is added to the
 * commands. A flag of `successors` is refused with the name of its successor. Help is `helpWidth`
 * columns wide.
 */
export function parseProgram<Parsed>(
  build: (accept: Accept<Parsed>) => CommandUnknownOpts,
  argv: readonly string[],
  successors: Successors = {},
  helpWidth = HELP_WIDTH,
): Parsed | Print {
  let parsed: Parsed | undefined;
  const program = build((value) => parsed = value);
  let written = "";
  const write = (text: string) => written += text;
  for (const command of withSubcommands(program)) {
    command.exitOverride().configureOutput({
      writeOut: write,
      writeErr: () => {}, // errors are thrown as well, and their text is ours to choose
      getOutHelpWidth: () => helpWidth,
      getOutHasColors: () => false,
    }).configureHelp({
      optionDescription: describeOption,
      minWidthToWrap: DESCRIPTION_WIDTH_MIN,
      formatItem: formatHelpItem,
    });
    if (command.commands.length > 0) command.helpCommand("help [command]", "show a command's help");
  }
  try {
    program.parse(rewriteGoFlags(argv, knownFlags(program, argv)), { from: "user" });
  } catch (error) {
    return printFor(program, argv, error, written, successors);
  }
  return parsed ?? usagePrint(program, missingCommand(program));
}

/** A term and its description: beside each other, or where the terminal is narrow, below it. */
function formatHelpItem(term: string, termWidth: number, description: string, help: Help): string {
  if (description === "") return TERM_INDENT + term;
  const helpWidth = help.helpWidth ?? HELP_WIDTH;
  const column = TERM_INDENT + " ".repeat(termWidth) + TERM_INDENT;
  const isBeside = helpWidth - column.length >= DESCRIPTION_WIDTH_MIN;
  const indent = isBeside ? column : DESCRIPTION_INDENT;
  const lines = help.boxWrap(description, helpWidth - indent.length).split("\n");
  const head = TERM_INDENT + term;
  if (isBeside) lines[0] = head.padEnd(indent.length) + lines[0];
  else lines.unshift(head);
  return lines.map((line, at) => at === 0 ? line : indent + line).join("\n");
}

/**
 * Every flag of `program` and its sub-commands, and whether it takes a value. Where two commands mean
 * different things by one name, the command that `argv` names counts, else the program itself.
 */
export function knownFlags(
  program: CommandUnknownOpts,
  argv: readonly string[] = [],
): KnownFlags {
  const flags = new Map<string, "value" | "switch">([["--help", "switch"], ["-h", "switch"]]);
  const commands = withSubcommands(program).filter((command) => command !== program);
  const named = commands.filter((command) => argv.includes(command.name()));
  for (const { options } of [...commands, program, ...named]) {
    for (const option of options) {
      const kind = option.required ? "value" : "switch";
      if (option.long) flags.set(option.long, kind);
      if (option.short) flags.set(option.short, kind);
    }
  }
  return flags;
}

/** The flags the user gave to `command` itself, as they are usually written: `["-port", "-b"]`. */
export function givenFlags(command: CommandUnknownOpts): string[] {
  return command.options
    .filter((option) => command.getOptionValueSource(option.attributeName()) === "cli")
    .map((option) => option.short ?? option.long?.slice(1) ?? option.flags);
}

function printFor(
  program: CommandUnknownOpts,
  argv: readonly string[],
  error: unknown,
  written: string,
  successors: Successors,
): Print {
  if (error instanceof UsageError) return usagePrint(program, error.message);
  if (!isCommanderError(error)) throw error;
  if (error.exitCode === EXIT_OK) {
    const about = error.code === "commander.version" ? { about: "version" } as const : {};
    return { command: "print", text: written, exitCode: EXIT_OK, ...about };
  }
  if (error.code === "commander.help") {
    const group = program.commands.find((command) => argv.includes(command.name()));
    return usagePrint(program, missingCommand(program, group));
  }
  if (error.code === "commander.missingArgument") {
    return usagePrint(program, missingArgument(program, argv, error.message));
  }
  const message = inOurWords(
    error.message.replace(/^error: /, "").replaceAll("\n", " "),
    argv,
    successors,
  );
  const told = nearOnly(message + suggestionFor(program, error.code, message));
  const isLost = error.code === "commander.unknownCommand" && !told.includes("Did you mean");
  const words = commandWords(program, argv).join(" ");
  return usagePrint(program, isLost ? `${told}, see '${words} --help'` : told);
}

/** Those that lead to a command, as in `fly cert`. */
function commandWords(program: CommandUnknownOpts, argv: readonly string[]): string[] {
  const words = [program.name()];
  let command = program;
  for (const word of argv) {
    const next = command.commands.find((one) => one.name() === word);
    if (next === undefined) continue;
    words.push(word);
    command = next;
  }
  return words;
}

function usagePrint(program: CommandUnknownOpts, message: string): Print {
  const text = failureText(program.name(), new UsageError(message), "one line");
  return { command: "print", text, exitCode: EXIT_USAGE };
}

function missingCommand(program: CommandUnknownOpts, group?: CommandUnknownOpts): string {
  const names = group ? `${program.name()} ${group.name()}` : program.name();
  return `a command is missing, see '${names} --help'`;
}

/** What stands for each argument in an example. */
const EXAMPLES: Readonly<Record<string, string>> = { name: "laptop", shell: "bash", link: "eth0" };

function missingArgument(
  program: CommandUnknownOpts,
  argv: readonly string[],
  message: string,
): string {
  const name = /'([^']+)'/.exec(message)?.[1] ?? "argument";
  const words = commandWords(program, argv);
  const example = EXAMPLES[name];
  return example === undefined
    ? `the ${name} is missing, see '${words.join(" ")} --help'`
    : `the ${name} is missing, as in '${[...words, example].join(" ")}'`;
}

function inOurWords(
  message: string,
  argv: readonly string[],
  successors: Successors,
): string {
  const word = /^too many arguments\. Expected 0 arguments but got \d+: (.*?)(?:, |\.$)/s
    .exec(message)?.[1];
  if (word !== undefined) {
    const whole = argv.find((argument) => argument.startsWith(word)) ?? word;
    return `'${whole}' is neither an option nor a command; a list has commas and no spaces`;
  }
  // commander takes the switches off the front of '-bogus' before it refuses '-ogus'.
  const rest = /^unknown option '-([^-'][^']*)'/.exec(message)?.[1];
  const removed = /^unknown option '--?([^'=]+)/.exec(message)?.[1];
  const successor = removed === undefined ? undefined : successors[removed];
  if (successor !== undefined) return `-${removed} is called -${successor} here`;
  // Known flags are given to commander with two dashes, however they were typed.
  const known = /^unknown option '--([^'=]+)/.exec(message)?.[1];
  if (
    known !== undefined && argv.some((one) => one === `-${known}` || one.startsWith(`-${known}=`))
  ) {
    return message.replace("'--", "'-");
  }
  if (rest === undefined || argv.includes(`-${rest}`)) return message;
  const written = argv.find((argument) => /^-[^-]/.test(argument) && argument.endsWith(rest));
  return written === undefined ? message : message.replace(`'-${rest}'`, `'${written}'`);
}

/** commander suggests only for two dashes: `-prot` deserves "Did you mean" as much as `--prot`. */
function suggestionFor(program: CommandUnknownOpts, code: string, message: string): string {
  const word = /^unknown option '-([^-'][^'=]+)/.exec(message)?.[1];
  if (code !== "commander.unknownOption" || word === undefined) return "";
  try {
    program.parse([`--${word}`], { from: "user" });
  } catch (error) {
    const suggestion = error instanceof Error ? /\(Did you mean .*\)$/.exec(error.message) : null;
    if (suggestion) return ` ${suggestion[0]}`;
  }
  return "";
}

/** commander suggests words that share a letter or two; a guess that is far off misleads. */
function nearOnly(message: string): string {
  const [, dashes = "", word = ""] = /^unknown \w+ '(-*)([^'=]+)/.exec(message) ?? [];
  return message.replace(/ \(Did you mean (?:one of )?(.*)\?\)$/, (_, list: string) => {
    const near = list.split(", ").map((one) => one.replace(/^--/, ""))
      .filter((one) => isNear(word, one));
    // As it was typed: flags take one dash as well as two.
    const names = near.map((one) => dashes + one).join(" or ");
    return names === "" ? "" : ` (Did you mean ${names}?)`;
  });
}

function withSubcommands(command: CommandUnknownOpts): CommandUnknownOpts[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

interface CommanderErrorShape {
  code: string;
  exitCode: number;
  message: string;
}

function isCommanderError(error: unknown): error is CommanderErrorShape {
  return error instanceof Error && "code" in error && typeof error.code === "string" &&
    error.code.startsWith("commander.");
}
