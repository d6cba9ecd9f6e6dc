/** What a shell is told about the words a program takes: completion for bash, zsh and fish. */
import { type Command, RootCommand, script } from "@bomb.sh/tab";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { optionTable } from "./option_table.ts";
import type { Shell } from "./completion_commands.ts";
import { writeTo } from "./output.ts";

/** Words for the values of options that only the machine knows, by the option's name. */
type CompletionValues = Readonly<Record<string, () => readonly string[]>>;

/** What the last line tells the shell, as the library's scripts take it. */
const DIRECTIVE_FILES = 0;
const DIRECTIVE_NO_FILES = 4;

/** Writes the script that makes `shell` ask the program to complete words. */
export function writeCompletionScript(program: CommandUnknownOpts, shell: Shell): void {
  const name = program.name();
  const lines = shell === "bash" ? [bashScript(name)] : printed(() => script(shell, name, name));
  writeTo(Deno.stdout, `${lines.join("\n")}\n`);
}

/**
 * Not the library's: that one needs the package bash-completion, runs the substitutions in a line that
 * is only being typed, and cannot be loaded for two programs in one shell.
 */
function bashScript(name: string): string {
  const call = `__${name.replaceAll("-", "_")}_complete`;
  return `# completion of ${name} for bash
${call}() {
    # The words up to the cursor. Bash's own are cut at = and :, which are parts of ours.
    local line=\${COMP_LINE:0:COMP_POINT} words word
    read -ra words <<< "$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    COMPREPLY=()
    while IFS= read -r word; do
        case $word in
            :${DIRECTIVE_FILES}) compopt -o default 2>/dev/null ;;
            :*) ;;
            *) COMPREPLY+=("\${word%%$'\\t'*}") ;;
        esac
    done < <(${name} complete -- "\${words[@]:1}" 2>/dev/null)
}
complete -F ${call} ${name}`;
}

/** Writes what could follow `words`, the last of which may have been begun only. */
export function writeCompletions(
  program: CommandUnknownOpts,
  words: readonly string[],
  values: CompletionValues,
): void {
  const answers = (asked: readonly string[]) =>
    printed(() => describe(program, values).parse(asLongOptions(program, asked)))
      .filter((line) => !line.startsWith(":"));
  const last = words.at(-1) ?? "";
  // `-l` is an option, and the beginning of others.
  const isShort = /^-[^-=]?$/.test(last);
  const found = [
    ...answers(words),
    ...isShort ? answers([...words.slice(0, -1), `-${last}`]) : [],
  ];
  // Shells take only what begins as the word does.
  const hasOneDash = /^-(?!-)/.test(last);
  const lines = hasOneDash ? found.map((line) => line.replace(/^--/, "-")) : found;
  const directive = takesFile(program, words) ? DIRECTIVE_FILES : DIRECTIVE_NO_FILES;
  writeTo(Deno.stdout, [...lines, `:${directive}`, ""].join("\n"));
}

/** Whether the last word is the name of a file or folder, which the shell itself can complete. */
function takesFile(program: CommandUnknownOpts, words: readonly string[]): boolean {
  const name = /^--?([^=]+)$/.exec(words.at(-2) ?? "")?.[1];
  const value = optionTable(program).find((option) => option.name === name)?.value ?? "";
  return ["<file>", "<folder>"].includes(value);
}

/** The lines the library prints, which it can do in no other way. */
function printed(run: () => void): string[] {
  const { log } = console;
  const texts: string[] = [];
  console.log = (text: string) => texts.push(text);
  try {
    run();
  } finally {
    console.log = log;
  }
  return texts.join("\n").split("\n").filter((line, at, all) => line !== "" || at < all.length - 1);
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
