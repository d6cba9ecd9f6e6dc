import { configureSync, jsonLinesFormatter, type LogRecord } from "@logtape/logtape";
import { escapeControl } from "./exit.ts";
import { writeTo } from "./output.ts";

/** The root of every logger of the project: `getLogger(["fluxify", "server"])`. */
export const LOG_CATEGORY = "fluxify";

export interface LogOptions {
  /** `"debug"` is what -v asks for. */
  level: "debug" | "info";
  /** `"text"` for people, `"json"` for one JSON object a line (`--log-json`). */
  format: "text" | "json";
  /** Takes whole lines, each with its line feed. */
  write(line: string): void;
  /** Takes a record whole; what it does not take is written as a line. */
  take?(record: LogRecord): boolean;
  /** Gets every record as well, as for a screen. */
  tap?(record: LogRecord): void;
}

const readers = new Set<(record: LogRecord) => void>();

/** `read` gets every record as well, wherever the log goes, until the result is disposed of. */
export function addLogReader(read: (record: LogRecord) => void): Disposable {
  readers.add(read);
  return { [Symbol.dispose]: () => void readers.delete(read) };
}

/** Directs every logger of the project to `options.write`; a second call replaces the first. */
export function setUpLogging(options: LogOptions): void {
  const format = options.format === "json" ? formatJsonLine : formatTextLine;
  const sink = (record: LogRecord) => {
    if (options.take?.(record) !== true) options.write(format(record));
    options.tap?.(record);
    for (const read of readers) read(record);
  };
  configureSync({
    reset: true,
    sinks: { lines: sink },
    loggers: [
      { category: LOG_CATEGORY, lowestLevel: options.level, sinks: ["lines"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["lines"] },
    ],
  });
}

/**
 * `2026-03-01T08:00:00.000Z info  message`, always one line: what a peer put into a value cannot
 * make a second one.
 */
export function formatTextLine(record: LogRecord): string {
  const time = new Date(record.timestamp).toISOString();
  return `${time} ${record.level.padEnd(7)} ${escapeControl(messageOf(record))}\n`;
}

/** The message reads as in text, without quotes around the words it was put together from. */
function formatJsonLine(record: LogRecord): string {
  return jsonLinesFormatter({ ...record, message: [messageOf(record)] });
}

/** A record's message with its values in it. */
export function messageOf({ message }: LogRecord): string {
  return message.map((part, index) => index % 2 === 0 ? part : formatValue(part)).join("");
}

/**
 * Writes the whole line to stderr. Never throws: a program that carries packets does not end
 * because nobody reads its log.
 */
export function writeToStderr(line: string): void {
  try {
    writeTo(Deno.stderr, line);
  } catch {
    // Such as a full disk: nobody is left to be told.
  }
}

function formatValue(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return value.message;
  return Deno.inspect(value, { colors: false, compact: true, breakLength: Infinity });
}
