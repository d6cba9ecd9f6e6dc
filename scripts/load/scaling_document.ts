/** Writes the figures into docs/scaling.md, between two marks, and draws them. */
import type { LoadReport } from "./report.ts";
import { describe } from "./report.ts";
import { drawScaling } from "./scaling_picture.ts";

const DOCUMENT = new URL("../../docs/scaling.md", import.meta.url);
const PICTURE = new URL("../../docs/pictures/scaling.svg", import.meta.url);
const BEGIN = "<!-- figures of scripts/load: begin -->";
const END = "<!-- figures of scripts/load: end -->";

/** @throws Error when the document has no marks. */
export async function writeScaling(report: LoadReport): Promise<void> {
  const text = await Deno.readTextFile(DOCUMENT);
  await Deno.writeTextFile(DOCUMENT, withFigures(text, report));
  if (report.sessions.length > 0) await Deno.writeTextFile(PICTURE, drawScaling(report.sessions));
}

/** `text` with the figures of `report` between the marks. */
export function withFigures(text: string, report: LoadReport): string {
  const begin = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  if (begin < 0 || end < begin) {
    throw new Error(`Cannot write the figures: docs/scaling.md needs a line ${BEGIN} and ${END}`);
  }
  const threads = report.threads === 1 ? "one engine thread" : `${report.threads} engine threads`;
  const lines = [
    BEGIN,
    "",
    `On a machine of ${report.cores} cores, with ${threads}:`,
    "",
    ...describe(report).map((line) => line.startsWith("|") ? line : `\n${line}`),
    "",
  ];
  return text.slice(0, begin) + lines.join("\n") + "\n" + text.slice(end);
}
