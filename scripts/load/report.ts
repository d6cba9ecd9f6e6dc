/** What was measured, what it is held against, and how it is shown. */
import type { ExchangeFigures } from "./fleet_program.ts";

/** Sessions at rest or busy. */
export interface SessionsFigure {
  readonly kind: "idle" | "busy";
  readonly sessions: number;
  /** Of each session. */
  readonly paths: number;
  /** Of those, how many carry 100 kbit/s each way. */
  readonly busy: number;
  /** Processor time of the server, of one core. */
  readonly percent: number;
  /** Resident memory of the server. */
  readonly mib: number;
  /** Of pings through the tunnel; null without any. */
  readonly pingMs: { readonly median: number; readonly p99: number } | null;
  /** Share of the pings that were answered, 0 to 1. */
  readonly answered: number;
  /** Share of the paths that work, 0 to 1. */
  readonly pathsUp: number;
  /** Sessions opened a second by control exchanges, for this figure; null: none. */
  readonly openedPerSecond: number | null;
}

export interface LoadReport {
  readonly cores: number;
  readonly threads: number;
  readonly sessions: readonly SessionsFigure[];
  readonly exchanges: (ExchangeFigures & { readonly percent: number }) | null;
  readonly halfOpen: ExchangeFigures | null;
}

/** Bounds of the figures. */
const IDLE_SESSIONS = 1000;
const IDLE_PERCENT_MAX = 5;
const IDLE_MIB_MAX = 300;
const CORE_PERCENT = 100;
const ANSWERED_MIN = 0.99;
export const EXCHANGES_PER_SECOND = 200;
const EXCHANGES_SHARE_MIN = 0.98;
export const HALF_OPEN = 2000;
const HALF_OPEN_MS_MAX = 1000;

/** What is not as it should be, a line each. */
export function shortfalls({ sessions, threads, exchanges, halfOpen }: LoadReport): string[] {
  const missed: string[] = [];
  const demand = (holds: boolean, line: string) => {
    if (!holds) missed.push(line);
  };
  for (const { kind, sessions: count, busy, percent, mib, answered, pathsUp } of sessions) {
    const what = `${count} sessions, ${busy} of them busy`;
    demand(
      pathsUp === 1,
      `${what}: ${(100 * (1 - pathsUp)).toFixed(2)} % of the paths do not work`,
    );
    demand(answered >= ANSWERED_MIN, `${what}: ${(100 * answered).toFixed(2)} % of pings answered`);
    const percentMax = kind === "idle" && count <= IDLE_SESSIONS
      ? IDLE_PERCENT_MAX
      : CORE_PERCENT * threads;
    demand(percent <= percentMax, `${what}: ${percent.toFixed(1)} % of a core, not ${percentMax}`);
    if (kind === "idle" && count <= IDLE_SESSIONS) {
      demand(mib <= IDLE_MIB_MAX, `${what}: ${mib.toFixed(0)} MiB, not ${IDLE_MIB_MAX}`);
    }
  }
  if (exchanges !== null) {
    const { tried, served, perSecond } = exchanges;
    demand(served === tried, `exchanges: ${tried - served} of ${tried} failed`);
    demand(
      perSecond >= EXCHANGES_SHARE_MIN * EXCHANGES_PER_SECOND,
      `exchanges: ${perSecond.toFixed(0)} a second, not ${EXCHANGES_PER_SECOND}`,
    );
  }
  if (halfOpen !== null) {
    const { tried, served, longestMs } = halfOpen;
    demand(served === tried, `half open: ${tried - served} of ${tried} clients were kept out`);
    demand(
      longestMs <= HALF_OPEN_MS_MAX,
      `half open: a client waited ${longestMs.toFixed(0)} ms, not ${HALF_OPEN_MS_MAX}`,
    );
  }
  return missed;
}

export function describe({ sessions, exchanges, halfOpen }: LoadReport): string[] {
  const lines = sessions.length === 0 ? [] : tableOf(sessions);
  if (exchanges !== null) {
    const { perSecond, served, tried, medianMs, longestMs, percent } = exchanges;
    lines.push(
      `control exchanges: ${perSecond.toFixed(0)} a second, ${served} of ${tried} served, ` +
        `${medianMs.toFixed(0)} ms each (at most ${longestMs.toFixed(0)}), ` +
        `${percent.toFixed(0)} % of a core`,
    );
  }
  if (halfOpen !== null) {
    const { served, tried, medianMs, longestMs } = halfOpen;
    lines.push(
      `beside ${HALF_OPEN} half-open connections: ${served} of ${tried} clients served, ` +
        `${medianMs.toFixed(0)} ms each (at most ${longestMs.toFixed(0)})`,
    );
  }
  return lines;
}

/** As Markdown has tables. */
function tableOf(figures: readonly SessionsFigure[]): string[] {
  const head = [
    "sessions",
    "paths each",
    "of them busy",
    "of one core",
    "memory",
    "ping",
    "99 % of pings",
  ];
  const rows = figures.map(({ sessions, paths, busy, percent, mib, pingMs }) => [
    String(sessions),
    String(paths),
    String(busy),
    `${percent.toFixed(1)} %`,
    `${mib.toFixed(0)} MiB`,
    pingMs === null ? "" : `${pingMs.median.toFixed(2)} ms`,
    pingMs === null ? "" : `${pingMs.p99.toFixed(2)} ms`,
  ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]!.length))
  );
  const lineOf = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padStart(widths[column]!)).join(" | ")} |`;
  const rule = `| ${widths.map((width) => `${"-".repeat(width - 1)}:`).join(" | ")} |`;
  return [lineOf(head), rule, ...rows.map(lineOf)];
}
