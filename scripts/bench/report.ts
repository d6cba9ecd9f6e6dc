/** What the benchmark found, for programs and for people. */

import { type Figure, type FigureName, FIGURES } from "./figures.ts";
import type { Samples } from "./samples.ts";
import type { SubjectName } from "./subject.ts";

type FigureResult = { name: FigureName; unit: string } & Record<SubjectName, number | null>;

interface BenchReport {
  /** Null: not measured, or without meaning for that subject. */
  figures: FigureResult[];
}

type Verdict = "pass" | "miss" | "unknown";

export function makeReport(samples: Samples, names: readonly FigureName[]): BenchReport {
  const figures = FIGURES.filter(({ name }) => names.includes(name)).map((figure) => {
    const value = (subject: SubjectName) => {
      const median = samples.median(figure.name, subject);
      return median === null ? null : Number(median.toFixed(figure.digits));
    };
    return {
      name: figure.name,
      unit: figure.unit,
      fluxify: value("fluxify"),
      raw: value("raw"),
      openvpn: value("openvpn"),
      wireguardGo: value("wireguardGo"),
    };
  });
  return { figures };
}

/** Whether Fluxify reached the figure's target. */
export function verdict({ target }: Figure, result: FigureResult): Verdict {
  const { fluxify } = result;
  if (fluxify === null) return "unknown";
  const { atLeast = -Infinity, atMost = Infinity, times = {} } = target;
  const ratios = Object.entries(times) as [SubjectName, number][];
  const reached = fluxify >= atLeast && fluxify <= atMost &&
    ratios.every(([subject, factor]) => fluxify >= factor * (result[subject] ?? 0));
  return reached ? "pass" : "miss";
}

/** The table, without colour, at most 100 columns. `descriptions`: a line for each subject. */
export function formatReport(report: BenchReport, descriptions: readonly string[]): string {
  const rows = report.figures.map((result) => {
    const figure = FIGURES.find(({ name }) => name === result.name)!;
    const number = (value: number | null) => value === null ? "-" : value.toFixed(figure.digits);
    return [
      result.name,
      number(result.fluxify),
      number(result.raw),
      number(result.openvpn),
      number(result.wireguardGo),
      result.unit,
      ratio(result.fluxify, result.wireguardGo),
      ratio(result.fluxify, result.openvpn),
      targetText(figure),
      verdict(figure, result),
    ];
  });
  const header = ["figure", "fluxify", "raw", "openvpn", "wg-go", "", "/wg-go", "/openvpn"];
  return [
    "",
    ...descriptions.map((text) => `  ${text}`),
    "",
    formatRow([...header, "target", ""]),
    ...rows.map(formatRow),
    "",
    "  /wg-go, /openvpn: fluxify divided by theirs. -: not measured, or no meaning",
    "  TCP is also to be 1.4 times wg-go (2025) and 5 times openvpn",
    "",
  ].join("\n");
}

const WIDTHS = [17, 8, 8, 9, 8, 10, 7, 9, 10, 8];
const LEFT_ALIGNED = new Set([0, 5, 8, 9]);

function formatRow(cells: readonly string[]): string {
  const padded = cells.map((cell, i) => {
    const width = WIDTHS[i] ?? 0;
    return LEFT_ALIGNED.has(i) ? ` ${cell}`.padEnd(width) : cell.padStart(width);
  });
  return ` ${padded.join("")}`.trimEnd();
}

function ratio(a: number | null, b: number | null): string {
  return a === null || b === null || b === 0 ? "-" : (a / b).toFixed(2);
}

function targetText({ target: { atLeast, atMost } }: Figure): string {
  return atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`;
}
