/** What the terminal can show: UTF-8, or ASCII alone where the locale says nothing of UTF-8. */
import { visibleWidth } from "@earendil-works/pi-tui";
import type { Line } from "./styled_line.ts";

export type CharacterSet = "UTF-8" | "ASCII";

/** In their order, the first that is set counts (POSIX, Base Definitions, 8.2). */
const LOCALE_VARIABLES = ["LC_ALL", "LC_CTYPE", "LANG"] as const;
/** Ours, each one column wide; the bars from the lowest to the highest. */
const IN_ASCII: ReadonlyMap<string, string> = new Map(
  Object.entries({
    ...{ "─": "-", "…": "~" },
    ...{ "▁": ".", "▂": ":", "▃": "-", "▄": "=", "▅": "+", "▆": "*", "▇": "%", "█": "#" },
  }),
);
// deno-lint-ignore no-control-regex
const ASCII_ONLY = /^[\x00-\x7f]*$/;

/** `readVariable` as Deno.env.get. */
export function characterSetOf(readVariable: (name: string) => string | undefined): CharacterSet {
  const locale = LOCALE_VARIABLES.map(readVariable).find((value) => value) ?? "";
  return /utf-?8/i.test(locale) ? "UTF-8" : "ASCII";
}

/** As wide as `line`. What ASCII has nothing for, such as in a name, is a question mark. */
export function inAscii(line: Line): Line {
  return line.map(({ text, tone }) => ({ text: textInAscii(text), tone }));
}

function textInAscii(text: string): string {
  if (ASCII_ONLY.test(text)) return text;
  const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });
  return [...segmenter.segment(text)].map(({ segment }) =>
    ASCII_ONLY.test(segment) ? segment : IN_ASCII.get(segment) ?? "?".repeat(visibleWidth(segment))
  ).join("");
}
