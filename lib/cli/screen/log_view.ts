/** The part of a screen that shows the end of the log. */
import { type Canvas, rule } from "./canvas.ts";
import type { LogLine } from "../log_lines.ts";
import { type Line, span, type Tone, wrap } from "./styled_line.ts";

/** What a long message may take. */
const MESSAGE_LINES_MAX = 4;

/** Fills what is left of `canvas`; `logBack` lines below the last one are left out. */
export function drawLog(canvas: Canvas<unknown>, logBack: number, log: readonly LogLine[]): void {
  const back = Math.min(logBack, Math.max(0, log.length - 1));
  if (canvas.room > 1) {
    canvas.add(rule(back === 0 ? "log" : `log, ${back} newer below`, canvas.width));
  }
  const height = canvas.room;
  const lines: Line[] = [];
  let index = log.length - 1 - back;
  for (; index >= 0 && lines.length < height; index--) {
    lines.unshift(...logEntry(log[index]!, canvas.width));
  }
  canvas.isLogAtStart = index < 0 && lines.length <= height;
  for (const line of lines.slice(-height)) canvas.add(line);
}

const LEVEL_TONE: Record<LogLine["level"], Tone> = {
  trace: "dim",
  debug: "dim",
  info: "plain",
  warning: "warn",
  error: "bad",
  fatal: "bad",
};

function logEntry({ time, level, text }: LogLine, width: number): Line[] {
  const margin = ` ${time} `;
  const tone = LEVEL_TONE[level];
  return wrap(text, width - margin.length, MESSAGE_LINES_MAX).map((piece, index) => [
    span(index === 0 ? margin : " ".repeat(margin.length), "dim"),
    span(piece, tone),
  ]);
}
