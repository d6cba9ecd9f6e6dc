/** Lines of the screen as pieces of text with a tone, measured in columns of the terminal. */
import { sliceByColumn, visibleWidth } from "@earendil-works/pi-tui";
import { escapeControl } from "../exit.ts";

export type Tone = "plain" | "strong" | "dim" | "good" | "warn" | "bad" | "bar" | "button";

interface Span {
  readonly text: string;
  readonly tone: Tone;
}

export type Line = readonly Span[];

/** Select Graphic Rendition: ECMA-48, 8.3.117. Only the 16 colours the user's theme defines. */
const RENDITION: Record<Tone, string> = {
  plain: "",
  strong: "1",
  dim: "2",
  good: "32",
  warn: "33",
  bad: "1;31",
  bar: "7",
  button: "1;7",
};

/** Without colours, what they say is in the words as well. */
export type Colours = "16" | "none";

/** `readVariable` as Deno.env.get. See no-color.org. */
export function coloursOf(readVariable: (name: string) => string | undefined): Colours {
  return readVariable("NO_COLOR") ? "none" : "16";
}

/** Bold, dim and reverse are no colours. */
const WITHOUT_COLOUR: Partial<Record<Tone, string>> = { good: "", warn: "1", bad: "1" };

export function span(text: string, tone: Tone = "plain"): Span {
  return { text, tone };
}

export function plainText(line: Line): string {
  return line.map(({ text }) => text).join("");
}

/** With the terminal's codes for the tones. */
export function paint(line: Line, colours: Colours = "16"): string {
  return line.map(({ text, tone }) => {
    const plain = colours === "none" ? WITHOUT_COLOUR[tone] : undefined;
    const rendition = plain ?? RENDITION[tone];
    return rendition === "" || text === "" ? text : `\x1b[${rendition}m${text}\x1b[0m`;
  }).join("");
}

/** At most `width` columns; what is cut off is told by an ellipsis. Never a control character. */
export function cut(text: string, width: number): string {
  const clean = escapeControl(text);
  if (width <= 0) return "";
  if (visibleWidth(clean) <= width) return clean;
  return `${sliceByColumn(clean, 0, width - 1, true)}…`;
}

/** Exactly `width` columns. */
export function fit(text: string, width: number, align: "left" | "right" = "left"): string {
  const short = cut(text, width);
  const gap = " ".repeat(Math.max(0, width - visibleWidth(short)));
  return align === "left" ? short + gap : gap + short;
}

/** `left` and `right` at the two ends of `width` columns; where both do not fit, `right` stays. */
export function spread(left: string, right: string, width: number): string {
  const end = cut(right, width);
  const room = width - visibleWidth(end);
  return (room < 2 ? " ".repeat(Math.max(0, room)) : `${fit(left, room - 1)} `) + end;
}

/** As many of `parts` as fit into `width` columns, the first at least in part. */
export function joinFitting(parts: readonly string[], width: number, separator = "   "): string {
  const [first = "", ...others] = parts.map(escapeControl);
  let text = cut(first, width);
  for (const part of others) {
    if (visibleWidth(text) + visibleWidth(separator) + visibleWidth(part) > width) continue;
    text += separator + part;
  }
  return text;
}

/** Where a word may be broken that is too long for a line: behind these, as in paths and digests. */
const BREAK_BEHIND = /^.*[:/,;=-]/s;

/**
 * Breaks `text` into pieces of at most `width` columns, at spaces where that is possible, else
 * behind a mark such as a colon or a slash.
 */
export function wrap(text: string, width: number, piecesMax: number): string[] {
  const pieces: string[] = [];
  let rest = escapeControl(text);
  while (pieces.length < piecesMax - 1 && visibleWidth(rest) > width) {
    const whole = sliceByColumn(rest, 0, width, true);
    if (whole === "") break; // one character wider than all there is
    const space = rest[whole.length] === " " ? whole.length : whole.lastIndexOf(" ");
    const end = space > 0 ? space : BREAK_BEHIND.exec(whole)?.[0].length ?? whole.length;
    pieces.push(rest.slice(0, end));
    rest = rest.slice(end).trimStart();
  }
  if (rest !== "" || pieces.length === 0) pieces.push(cut(rest, width));
  return pieces;
}

/** Exactly `width` columns of a line whose spans may be too many or too few. */
export function fitLine(line: Line, width: number): Line {
  const spans: Span[] = [];
  let room = width;
  for (const { text, tone } of line) {
    const short = cut(text, room);
    if (short === "") continue;
    spans.push({ text: short, tone });
    room -= visibleWidth(short);
  }
  if (room > 0) spans.push(span(" ".repeat(room)));
  return spans;
}
