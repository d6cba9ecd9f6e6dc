/** The last lines of the log, for a screen or whoever asks. */
import type { LogRecord } from "@logtape/logtape";
import { addLogReader, formatTextLine } from "./log.ts";

export interface LogLine {
  /** Of the day, in UTC as in the log itself: `08:15:42`. */
  readonly time: string;
  readonly level: LogRecord["level"];
  readonly text: string;
  /** As it stands in a log, with its line feed. */
  readonly whole: string;
}

/** Lines that are kept. */
export const LOG_LINES_MAX = 500;
/** Where formatTextLine() has the time of the day, and where its message begins. */
const TIME_OF_DAY = [11, 19] as const;
const MESSAGE_START = "2026-03-01T08:00:00.000Z warning ".length;

/** Keeps the last 500 lines. */
export class LogLines {
  #lines: LogLine[] = [];

  get all(): readonly LogLine[] {
    return this.#lines;
  }

  add(record: LogRecord): void {
    this.#lines.push(toLogLine(record));
    if (this.#lines.length > LOG_LINES_MAX) this.#lines.shift();
  }
}

/** The last lines of the log from now on, whatever becomes of them elsewhere. */
export class RecentLog implements Disposable {
  readonly #lines = new LogLines();
  readonly #reader: Disposable;
  #count = 0;

  constructor() {
    this.#reader = addLogReader((record) => {
      this.#lines.add(record);
      this.#count++;
    });
  }

  get lines(): readonly LogLine[] {
    return this.#lines.all;
  }

  /** How many lines there have been. */
  get count(): number {
    return this.#count;
  }

  /** Of the lines behind the first `count`, those that are kept. */
  since(count: number): readonly LogLine[] {
    return this.lines.slice(Math.max(0, this.lines.length - Math.max(0, this.#count - count)));
  }

  [Symbol.dispose](): void {
    this.#reader[Symbol.dispose]();
  }
}

export function toLogLine(record: LogRecord): LogLine {
  const whole = formatTextLine(record);
  return {
    time: whole.slice(...TIME_OF_DAY),
    level: record.level,
    text: whole.slice(MESSAGE_START).trimEnd(),
    whole,
  };
}
