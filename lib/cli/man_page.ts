/** Manual pages, see man(7) and groff_man(7). */
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { type OptionRow, optionTable } from "./option_table.ts";

/** What a page has besides what the program itself declares. */
export interface ManWords {
  /** Behind the name in NAME; begins with a small letter. */
  readonly summary: string;
  readonly examples: readonly (readonly [command: string, what: string])[];
  readonly files: readonly (readonly [path: string, what: string])[];
  readonly seeAlso: readonly string[];
}

/** The page of section 1 or 8 for `program`, ending in a line feed. */
export function manPage(program: CommandUnknownOpts, version: string, words: ManWords): string {
  const name = program.name();
  const rows = optionTable(program);
  const groups = [...new Set(rows.map(({ group }) => group))];
  const lines = [
    `.TH ${name.toUpperCase()} 1 "" "${escape(name)} ${escape(version)}" "Fluxify"`,
    ".SH NAME",
    `${escape(name)} \\- ${escape(words.summary)}`,
    ".SH SYNOPSIS",
    `.B ${escape(name)}`,
    "[\\fIoptions\\fR] [\\fIcommand\\fR]",
    ".SH DESCRIPTION",
    ...paragraph(program.description()),
    "Options are written with one dash or two, and with a space or \\(oq=\\(cq before the value.",
    "Times have a unit: 50ms, 10s, 2m, 24h.",
    ".SH OPTIONS",
    ...groups.flatMap((group) => [
      ...group === null ? [] : [`.SS ${escape(group)}`],
      ...rows.filter((row) => row.group === group).flatMap(optionLines),
    ]),
    ".SH COMMANDS",
    ...commandLines(program, ""),
    ".SH EXAMPLES",
    ...words.examples.flatMap(([command, what]) => [
      ".TP",
      `.B ${escape(command)}`,
      ...paragraph(what),
    ]),
    ".SH FILES",
    ...words.files.flatMap(([path, what]) => [".TP", `.I ${escape(path)}`, ...paragraph(what)]),
    ".SH EXIT STATUS",
    "0 when it did what was asked, 1 when it could not, 2 for a wrong command line, 3 when a command",
    "asks a running program and none runs under that name.",
    ".SH SEE ALSO",
    words.seeAlso.map((page) => `.BR ${page.replace(/\((\d)\)$/, " ($1)")}`).join(" ,\n"),
  ];
  return lines.join("\n") + "\n";
}

function optionLines({ name, short, value, description, defaultText }: OptionRow): string[] {
  const spelled = [...short === null ? [] : [`-${short}`], `-${name}`]
    .map((flag) => `\\fB${escape(flag)}\\fR`).join(", ");
  const shown = value === null ? spelled : `${spelled} \\fI${escape(value.slice(1, -1))}\\fR`;
  const text = defaultText === null ? description : `${description} (default: ${defaultText})`;
  return [".TP", shown, ...paragraph(text)];
}

function commandLines(parent: CommandUnknownOpts, prefix: string): string[] {
  return parent.commands.filter((command) => !isHidden(command)).flatMap((command) => {
    const words = [
      prefix + command.name(),
      ...command.registeredArguments.map((argument) =>
        argument.required ? `<${argument.name()}>` : `[${argument.name()}]`
      ),
    ];
    const options = optionTable(command).flatMap((row) => [".RS", ...optionLines(row), ".RE"]);
    if (command.commands.length > 0) return commandLines(command, `${words.join(" ")} `);
    return [
      ".TP",
      `.B ${escape(words.join(" "))}`,
      ...paragraph(command.description()),
      ...options,
    ];
  });
}

/** commander keeps what addCommand() was told to itself, but its help leaves hidden ones out. */
function isHidden(command: CommandUnknownOpts): boolean {
  const { parent } = command;
  return command.name() === "help" ||
    (parent !== null && !parent.createHelp().visibleCommands(parent).includes(command));
}

/** A line that begins with a dot or a quote would be a request. */
function paragraph(text: string): string[] {
  return text.split("\n").map((line) => escape(line).replace(/^[.']/, "\\&$&"));
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replaceAll("~", "\\(ti");
}
