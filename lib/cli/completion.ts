/** What a shell is told about the words a program takes: completion for bash, zsh and fish. */
import { type Command, RootCommand, script } from "@bomb.sh/tab";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { optionTable } from "./option_table.ts";
import type { Shell } from "./completion_commands.ts";

/** Words for the values of options that only the machine knows, by the option's name. */
type CompletionValues = Readonly<Record<string, () => readonly string[]>>;

/** Writes the script that makes `shell` ask the program to complete words. */
export function writeCompletionScript(program: CommandUnknownOpts, shell: Shell): void {
  script(shell, program.name(), program.name());
}

/** Writes what could follow `words`, the last of which may have been begun only. */
export function writeCompletions(
  program: CommandUnknownOpts,
  words: readonly string[],
  values: CompletionValues,
): void {
  describe(program, values).parse(asLongOptions(program, words));
}

/** People write one dash where the library knows two. */
function asLongOptions(program: CommandUnknownOpts, words: readonly string[]): string[] {
  const names = new Set(optionTable(program).map(({ name }) => name));
  return words.map((word, index) => {
    const name = /^-([^-=]{2,})$/.exec(word)?.[1];
    const isLast = index === words.length - 1;
    if (name === undefined) return word;
    const isKnown = names.has(name) ||
      (isLast && names.values().some((one) => one.startsWith(name)));
    return isKnown ? `-${word}` : word;
  });
}

function describe(program: CommandUnknownOpts, values: CompletionValues): RootCommand {
  const root = new RootCommand();
  addOptions(root, program, values);
  addCommands(root, program, "", values);
  return root;
}

function addCommands(
  root: RootCommand,
  parent: CommandUnknownOpts,
  prefix: string,
  values: CompletionValues,
): void {
  for (const command of parent.createHelp().visibleCommands(parent)) {
    const name = prefix + command.name();
    addOptions(root.command(name, command.description()), command, values);
    addCommands(root, command, `${name} `, values);
  }
}

function addOptions(
  described: Command,
  command: CommandUnknownOpts,
  values: CompletionValues,
): void {
  for (const { name, short, value, description, choices } of optionTable(command)) {
    if (value === null) {
      described.option(name, description, short ?? undefined);
      continue;
    }
    described.option(name, description, (complete) => {
      for (const word of values[name]?.() ?? choices) complete(word, "");
    }, short ?? undefined);
  }
}
