/**
 * The options of a program as a table. A program declares each option once, for commander; help, man
 * pages, completion, the tables in docs/operations.md and the schema of the settings come from here,
 * so that they cannot differ.
 */
import type { CommandUnknownOpts, Option } from "@commander-js/extra-typings";

export interface OptionRow {
  /** Without dashes: `reorder-buffer-size`. */
  readonly name: string;
  /** Without its dash, or null. */
  readonly short: string | null;
  /** What stands for its value, as `<bytes>`; null for a switch. */
  readonly value: string | null;
  readonly description: string;
  /** Null: there is none, or it is off. */
  readonly defaultText: string | null;
  /** Heading of the help without its colon, as `Tuning`; null for what has none. */
  readonly group: string | null;
  /** The words it takes; empty: not only certain words. */
  readonly choices: readonly string[];
}

/** A default that is only described, at the end of the description. */
const DESCRIBED_DEFAULT = /^(.*) \(default: ([^)]*)\)$/s;

/** All options of `command` in their order, but for help, version, and those that do nothing. */
export function optionTable(command: CommandUnknownOpts): OptionRow[] {
  return command.options.filter(({ long, hidden }) => long !== "--version" && !hidden).map(rowOf);
}

function rowOf(option: Option): OptionRow {
  const [, rest, described] = DESCRIBED_DEFAULT.exec(option.description) ?? [];
  return {
    name: option.long?.slice(2) ?? "",
    short: option.short?.slice(1) ?? null,
    value: /<[^>]*>/.exec(option.flags)?.[0] ?? null,
    description: rest ?? option.description,
    defaultText: described ?? defaultText(option),
    group: option.helpGroupHeading?.replace(/:$/, "") ?? null,
    choices: option.argChoices ?? [],
  };
}

function defaultText({ defaultValue, defaultValueDescription }: Option): string | null {
  if (defaultValueDescription !== undefined) return defaultValueDescription;
  return defaultValue === undefined ? null : String(defaultValue);
}

/** As in help: what it is for, and what is taken without it. */
export function describeOption(option: Option): string {
  const { description, defaultText } = rowOf(option);
  return defaultText === null ? description : `${description} (default: ${defaultText})`;
}

/**
 * Rows of a table in Markdown: flag, default, what it does. `modes`, where given, is a column of its
 * own.
 */
export function markdownTable(
  rows: readonly OptionRow[],
  modes?: (name: string) => string,
): string {
  const cells = rows.map((row) => [
    [...row.short === null ? [] : [row.short], row.name].map((name) => `\`-${name}\``).join(", "),
    ...modes === undefined ? [] : [modes(row.name)],
    row.defaultText ?? "",
    row.description,
  ]);
  const head = ["flag", ...modes === undefined ? [] : ["mode"], "default", ""];
  const widths = head.map((title, column) =>
    Math.max(3, title.length, ...cells.map((line) => line[column]!.length))
  );
  const lineOf = (line: readonly string[]) =>
    `| ${line.map((text, column) => text.padEnd(widths[column]!)).join(" | ")} |`;
  return [lineOf(head), lineOf(widths.map((width) => "-".repeat(width))), ...cells.map(lineOf)]
    .join("\n");
}
