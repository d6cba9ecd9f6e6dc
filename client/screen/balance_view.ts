/** What the screen shows of load balancing: a row for each uplink in each family. */
import { FAMILIES } from "../../lib/host/links/address.ts";
import type { AddressFamily } from "../../lib/host/links/address.ts";
import type { BalanceStatus, UplinkFamilyStatus, UplinkStatus } from "../balance/status.ts";
import {
  formatBytes,
  formatCount,
  formatMs,
  formatPart,
  formatRate,
} from "../../lib/cli/screen/figures.ts";
import type { Cell, Column, ReadModel, StatusModel, StatusRow } from "./status_model.ts";
import { span, type Tone } from "../../lib/cli/screen/styled_line.ts";
import { trafficCells } from "./traffic_cells.ts";
import { LAST_MINUTE } from "./table.ts";
import { unmatchedLine } from "./unmatched_line.ts";
import { volumeDetails } from "./rule_details.ts";

const COLUMNS: readonly Column[] = [
  {
    key: "uplink",
    heading: "UPLINK",
    width: 8,
    align: "left",
    rank: 1,
    grows: "to its longest text",
  },
  { key: "family", heading: "IP", width: 4, align: "left", rank: 2 },
  {
    key: "health",
    heading: "HEALTH",
    width: 10,
    align: "left",
    rank: 3,
    grows: "to its longest text",
  },
  { key: "share", heading: "BYTES", width: 5, align: "right", rank: 4 },
  { key: "down", heading: "DOWN", width: 11, align: "right", rank: 5 },
  { key: "up", heading: "UP", width: 11, align: "right", rank: 6 },
  { key: "rtt", heading: "RTT", width: 7, align: "right", rank: 7 },
  { key: "jitter", heading: "JITTER", width: 7, align: "right", rank: 9 },
  { key: "loss", heading: "LOSS", width: 5, align: "right", rank: 8 },
  { key: "score", heading: "SCORE", width: 5, align: "right", rank: 10 },
  { key: "given", heading: "CONNS", width: 5, align: "right", rank: 12 },
  { key: "bytes", heading: "TOTAL", width: 7, align: "right", rank: 13 },
  LAST_MINUTE,
];

/** `startedAtMs` as the readings' time. */
export function balanceModels(
  readStatus: () => Promise<BalanceStatus>,
  startedAtMs: number,
): ReadModel {
  return async (nowMs) => balanceModel(await readStatus(), nowMs - startedAtMs);
}

export function balanceModel(status: BalanceStatus, uptimeMs: number): StatusModel {
  const { largest } = status;
  const manner = status.kind === "best" ? "all over the nearest" : "spread over all";
  return {
    title: `Fluxify load balance over ${status.uplinks.length} uplinks`,
    facts: [`connections: ${manner}`],
    totals: [
      `down ${formatRate(status.receivedBytesPerSecond)}`,
      `up ${formatRate(status.sentBytesPerSecond)}`,
      largest === null
        ? "nothing carried so far"
        : `most on ${largest.name}: ${formatPart(largest.share)}`,
      `received ${formatBytes(status.receivedBytes)}`,
      `sent ${formatBytes(status.sentBytes)}`,
    ],
    more: unmatchedLine(status.unmatched, status.uplinks),
    uptimeMs,
    columns: COLUMNS,
    keys: ["l links"],
    rows: status.uplinks.flatMap(uplinkRows),
  };
}

function uplinkRows(uplink: UplinkStatus): StatusRow[] {
  const families = FAMILIES.filter((family) => uplink.families[family] !== null);
  // Bytes are counted by interface: they stand in its first row alone.
  const carried = trafficCells(uplink, uplink.share);
  if (families.length === 0) {
    const cells = { ...carried, uplink: span(uplink.name, "strong"), health: span("-", "dim") };
    return [{
      key: uplink.name,
      cells,
      lastMinute: uplink.lastMinute,
      details: carriedDetails(uplink),
    }];
  }
  return families.map((family, index) => {
    const report = uplink.families[family]!;
    return {
      key: `${uplink.name} IPv${family}`,
      cells: { ...(index === 0 ? carried : {}), ...familyCells(uplink.name, family, report) },
      lastMinute: uplink.lastMinute,
      details: [
        ["gateway", report.gateway ?? "none"],
        ["health", report.problem ?? report.state],
        ["weight", `${report.weight}, ${formatPart(report.connectionShare)} of connections`],
        ["RTT", `${formatMs(report.rttMs)}, jitter ${formatMs(report.jitterMs)}`],
        ["loss", `${formatPart(report.loss)} of ${report.probes} probes`],
        ["score", formatCount(report.score)],
        ...carriedDetails(uplink),
      ],
    };
  });
}

function familyCells(
  name: string,
  family: AddressFamily,
  report: UplinkFamilyStatus,
): Record<string, Cell> {
  return {
    uplink: span(name, "strong"),
    family: span(`IPv${family}`),
    health: report.problem !== null
      ? span(report.problem, "bad")
      : report.idleFor !== null
      ? span(report.idleFor, "warn")
      : span(report.state, HEALTH_TONE[report.state]),
    rtt: span(formatMs(report.rttMs)),
    jitter: span(formatMs(report.jitterMs)),
    loss: span(formatPart(report.loss), report.loss > 0 ? "warn" : "plain"),
    score: span(formatCount(report.score)),
    given: span(formatPart(report.connectionShare)),
  };
}

const HEALTH_TONE: Record<UplinkFamilyStatus["state"], Tone> = {
  "healthy": "good",
  "unanswered": "bad",
  "link down": "bad",
};

function carriedDetails(uplink: UplinkStatus): [string, string][] {
  return [
    ["received", formatBytes(uplink.receivedBytes)],
    ["sent", formatBytes(uplink.sentBytes)],
    ["share", `${formatPart(uplink.share)} of all bytes`],
    ...volumeDetails(uplink.volume),
  ];
}
