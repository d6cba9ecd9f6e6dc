/** What the demo found, for programs and for people. */

import type { LabLink } from "../lab/lab.ts";
import type { CutResult } from "./measure.ts";

interface DemoReport {
  /** `rateMbit` and `rttMs` are what the link was set to, `aloneMbit` what a download got on it. */
  links: { name: string; rateMbit: number; rttMs: number; aloneMbit: number }[];
  /** One download over all links, and eight together. */
  oneFlowMbit: number;
  bondedMbit: number;
  /** `oneFlowMbit` as a multiple of the best link alone. */
  gain: number;
  longestGapMs: number;
  lossFreeAfterCut: boolean;
}

const BAR_LENGTH = 30;

export function makeReport(
  links: readonly LabLink[],
  aloneMbit: readonly number[],
  { oneFlowMbit, bondedMbit }: Pick<DemoReport, "oneFlowMbit" | "bondedMbit">,
  cut: CutResult,
): DemoReport {
  return {
    links: links.map(({ name, rateMbit, rttMs }, i) => ({
      name,
      rateMbit,
      rttMs,
      aloneMbit: round(aloneMbit[i] ?? 0, 1),
    })),
    oneFlowMbit: round(oneFlowMbit, 1),
    bondedMbit: round(bondedMbit, 1),
    gain: round(oneFlowMbit / Math.max(...aloneMbit), 2),
    longestGapMs: Math.round(cut.longestGapMs),
    lossFreeAfterCut: cut.lossFree,
  };
}

/** The table, without colour, at most 80 columns. */
export function formatReport(report: DemoReport, cutLink: string, megabytes: number): string {
  const { links, oneFlowMbit, bondedMbit, gain, longestGapMs, lossFreeAfterCut } = report;
  const largest = Math.max(oneFlowMbit, bondedMbit, ...links.map(({ aloneMbit }) => aloneMbit));
  const row = (name: string, link: string, mbit: number) =>
    `  ${name.padEnd(12)}${link.padEnd(20)}${mbit.toFixed(1).padStart(6)} Mbit/s  ` +
    "█".repeat(Math.max(1, Math.round(mbit / largest * BAR_LENGTH)));
  const size = `${megabytes.toFixed(0)} MB`;
  return [
    "",
    "  link        what it is           download",
    ...links.map(({ name, rateMbit, rttMs, aloneMbit }) =>
      row(name, `${rateMbit} Mbit/s, ${rttMs} ms`, aloneMbit)
    ),
    row("Fluxify", `all ${links.length}, one download`, oneFlowMbit),
    row("", "eight together", bondedMbit),
    "",
    `  one download is ${gain.toFixed(2)} times as fast as on the best link`,
    lossFreeAfterCut
      ? `  ${cutLink} pulled out during a download: it went on, longest gap ${longestGapMs} ms,\n` +
        `  all ${size} arrived intact`
      : `  ${cutLink} pulled out during a download: IT DID NOT SURVIVE (${size} arrived)`,
    "",
  ].join("\n");
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
