/**
 * Settings: what the options of the client are when no flag says otherwise. Each long option is a
 * key, by its name; `mode` stands for -b and -l. A value is what the flag would be given, so that
 * both are read and refused by the same code.
 */
import type { CommandUnknownOpts, Option } from "@commander-js/extra-typings";
import { UsageError } from "../../lib/cli/exit.ts";
import { type OptionRow, optionTable } from "../../lib/cli/option_table.ts";
import { hostsAndPort } from "./server_port.ts";

/** By key; a switch is true or false. */
export type Settings = ReadonlyMap<string, string | boolean>;

export const MODE_KEY = "mode";
const MODES = ["bonding", "load-balance"] as const;
const MODE_FLAGS = new Set(["bond", "load-balance"]);
/** Options that may be given several times. */
const ADDING = new Set(["rate", "link"]);
/** Longer than any list that is taken. */
const TEXT_LENGTH_MAX = 4096;

/** Where a value comes from: a flag wins over the file, the file over what is built in. */
type SettingSource = "flag" | "file" | "default";

export interface SettingRow {
  readonly key: string;
  readonly value: string;
  readonly source: SettingSource;
}

/** The options of `program` that can be set, without those that choose the mode. */
function settableRows(program: CommandUnknownOpts): OptionRow[] {
  return optionTable(program).filter(({ name }) => !MODE_FLAGS.has(name));
}

/**
 * Reads the object of a settings file and checks every value as its flag does. `file` is for
 * messages. Throws UsageError that names the field.
 */
export function readSettings(json: unknown, program: CommandUnknownOpts, file: string): Settings {
  const refuse = (what: string) => new UsageError(`Cannot use ${file}: ${what}`);
  if (typeof json !== "object" || json === null || Array.isArray(json)) {
    throw refuse('it must be an object, as in {"mode": "bonding"}');
  }
  const rows = new Map(settableRows(program).map((row) => [row.name, row]));
  const settings = new Map<string, string | boolean>();
  for (const [key, value] of Object.entries(splitServer(json))) {
    if (key === "version") continue;
    if (key === MODE_KEY) {
      const mode = MODES.find((one) => one === value);
      if (mode === undefined) throw refuse(`"mode" must be "bonding" or "load-balance"`);
      settings.set(key, mode);
      continue;
    }
    const row = rows.get(key);
    if (row === undefined) {
      throw refuse(
        `there is no setting "${key.slice(0, 40)}"; remove it, or see 'fluxify-client config'`,
      );
    }
    if (value === null) continue;
    if (row.value === null) {
      if (typeof value !== "boolean") throw refuse(`"${key}" must be true or false`);
      settings.set(key, value);
      continue;
    }
    const text = textOf(value);
    if (text === null) throw refuse(`"${key}" must be a text, a number or a list of texts`);
    try {
      parseValue(optionOf(program, key), text);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      throw refuse(`"${key}" is not right: ${error.message}`);
    }
    settings.set(key, text);
  }
  return settings;
}

/** Why `settings` cannot be taken, as their flags would say it; null when they can. */
export function whyRefused(settings: Settings, program: CommandUnknownOpts): string | null {
  const file = "the settings";
  try {
    readSettings(settingsObject(settings, program), program, file);
    return null;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return error.message.replace(`Cannot use ${file}: `, "");
  }
}

/** The port behind the server's name is that of the control plane, as behind its flag. */
function splitServer(json: { server?: unknown; ctrl?: unknown }): object {
  const text = textOf(json.server);
  if (text === null) return json;
  const { hosts, port } = hostsAndPort(text, textOf(json.ctrl));
  return { ...json, server: hosts, ...(port === null ? {} : { ctrl: port }) };
}

/** Lists are written with commas, as on the command line. */
function textOf(value: unknown): string | null {
  const text = typeof value === "string" || typeof value === "number"
    ? String(value)
    : Array.isArray(value) && value.every((item) => typeof item === "string")
    ? value.join(",")
    : null;
  return text !== null && text.length <= TEXT_LENGTH_MAX ? text : null;
}

/** The object for a settings file: lists as lists, numbers as numbers. */
export function settingsObject(settings: Settings, program: CommandUnknownOpts): unknown {
  const rows = settableRows(program);
  const entries: [string, unknown][] = [["version", 1], [MODE_KEY, settings.get(MODE_KEY)]];
  for (const { name, value } of rows) {
    const setting = settings.get(name);
    if (setting === undefined || setting === false) continue;
    const isList = value === "<list>";
    const isNumber = typeof setting === "string" && /^(0|[1-9]\d{0,8})$/.test(setting);
    entries.push([
      name,
      isList && typeof setting === "string"
        ? setting.split(",")
        : isNumber && value !== "<host>"
        ? Number(setting)
        : setting,
    ]);
  }
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/**
 * What a setting of the file speaks of: given on the command line, the one of the file is about
 * another thing, and means nothing.
 */
const SPEAKS_OF: ReadonlyMap<string, string> = new Map([
  ["ips", "ifaces"],
  ["weights", "ifaces"],
  ["rate", "ifaces"],
  ["link", "ifaces"],
  ["cert", "pki"],
  ["server", "servers"],
  ["servers", "server"],
]);

/** What the file still says beside the flags in `given`. */
export function besideFlags(file: Settings, given: ReadonlySet<string>): Settings {
  return new Map(
    [...file].filter(([key]) => !given.has(key) && !given.has(SPEAKS_OF.get(key) ?? "")),
  );
}

/** Gives `program` what the file says where no flag has. To be called by an action. */
export function applySettings(program: CommandUnknownOpts, settings: Settings): void {
  const isGiven = ({ name }: OptionRow) =>
    program.getOptionValueSource(optionOf(program, name).attributeName()) === "cli";
  const given = new Set(optionTable(program).filter(isGiven).map(({ name }) => name));
  for (const [key, setting] of besideFlags(settings, given)) {
    if (key === MODE_KEY || setting === false) continue;
    const option = optionOf(program, key);
    const attribute = option.attributeName();
    const value = typeof setting === "string" ? parseValue(option, setting) : setting;
    program.setOptionValueWithSource(attribute, value, "config");
  }
}

/** What was written on the command line, by option. Call it before the program parses. */
export function recordFlags(program: CommandUnknownOpts): Map<string, string | boolean> {
  const flags = new Map<string, string | boolean>();
  for (const { name } of optionTable(program)) {
    program.on(`option:${name}`, (text: string | null) => {
      if (name === "bond") flags.set(MODE_KEY, "bonding");
      else if (name === "load-balance") flags.set(MODE_KEY, "load-balance");
      else flags.set(name, isAdded(name, flags) ? `${flags.get(name)},${text}` : text ?? true);
    });
  }
  return flags;
}

/** Whether an option that is given again adds to what it said before. */
function isAdded(name: string, flags: ReadonlyMap<string, unknown>): boolean {
  return ADDING.has(name) && flags.has(name);
}

/** What is in force, and where each value comes from. */
export function settingRows(
  program: CommandUnknownOpts,
  flags: Settings,
  file: Settings,
): SettingRow[] {
  const rest = besideFlags(file, new Set(flags.keys()));
  const rowOf = (key: string, otherwise: string): SettingRow => {
    for (const [source, settings] of [["flag", flags], ["file", rest]] as const) {
      const value = settings.get(key);
      if (value !== undefined) return { key, value: withoutPassword(String(value)), source };
    }
    return { key, value: otherwise, source: "default" };
  };
  return [
    rowOf(MODE_KEY, ""),
    ...settableRows(program).map(({ name, value, defaultText }) =>
      rowOf(name, defaultText ?? (value === null ? "false" : ""))
    ),
  ];
}

/** Of the address of a proxy; other values have nothing of the kind. */
function withoutPassword(value: string): string {
  return value.replace(/\/\/[^/@]*@/, "//***@");
}

/** For people. */
export function describeSettings(rows: readonly SettingRow[], path: string): string[] {
  const width = Math.max(...rows.map(({ key }) => key.length));
  const valueWidth = Math.max(...rows.map(({ value }) => value.length));
  return [
    `settings file: ${path}`,
    ...rows.map(({ key, value, source }) =>
      `${key.padEnd(width)}  ${(value || "-").padEnd(valueWidth)}  ${source}`
    ),
  ];
}

/** The schema of the settings file: JSON Schema, draft 2020-12. */
export function settingsSchema(program: CommandUnknownOpts): unknown {
  const properties = settableRows(program).map((
    { name, value, description, choices, defaultText },
  ) => [
    name,
    {
      description: defaultText === null ? description : `${description} (default: ${defaultText})`,
      ...value === null
        ? { type: "boolean" }
        : value === "<list>"
        ? { type: ["array", "string"], items: { type: "string" } }
        : choices.length > 0
        ? { enum: choices }
        : { type: ["string", "number"] },
    },
  ]);
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Settings of fluxify-client",
    type: "object",
    additionalProperties: false,
    properties: {
      version: { const: 1 },
      [MODE_KEY]: { description: "what -b and -l choose", enum: MODES },
      ...Object.fromEntries(properties),
    },
  };
}

function optionOf(program: CommandUnknownOpts, key: string): Option {
  return program.options.find(({ long }) => long === `--${key}`)!;
}

function parseValue(option: Option, text: string): unknown {
  return option.parseArg === undefined ? text : option.parseArg(text, undefined as never);
}
