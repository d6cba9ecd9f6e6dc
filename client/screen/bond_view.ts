/** What the screen shows of bonding: the session, and how each link does. */
import type { IdleReason, PathReport, SessionReport } from "../../lib/net/engine.ts";
import type { BondStatus, LinkStatus } from "../../lib/status/bond_status.ts";
import type { Traffic } from "../../lib/status/traffic_history.ts";
import {
  formatAge,
  formatBytes,
  formatCount,
  formatGain,
  formatMs,
  formatPart,
  formatRate,
  formatUptime,
} from "../../lib/cli/screen/figures.ts";
import { sharedHosts } from "../diagnostics/external_checks.ts";
import type { Cell, Column, ReadModel, StatusModel, StatusRow } from "./status_model.ts";
import { span, type Tone } from "../../lib/cli/screen/styled_line.ts";
import { trafficCells } from "./traffic_cells.ts";
import { LAST_MINUTE } from "./table.ts";
import { unmatchedLine } from "./unmatched_line.ts";
import { limitDetails, volumeDetails } from "./rule_details.ts";

const COLUMNS: readonly Column[] = [
  { key: "link", heading: "LINK", width: 8, align: "left", rank: 1, grows: "to its longest text" },
  {
    ...{ key: "state", heading: "STATE", width: 7, align: "left", rank: 2 },
    alone: { without: "quality", cell: "state alone" },
  },
  { key: "quality", heading: "QUALITY", width: 15, align: "left", rank: 6 },
  { key: "rtt", heading: "RTT", width: 7, align: "right", rank: 5 },
  { key: "rttMin", heading: "MIN", width: 7, align: "right", rank: 13 },
  { key: "jitter", heading: "JITTER", width: 7, align: "right", rank: 8 },
  { key: "loss", heading: "LOSS", width: 5, align: "right", rank: 7 },
  { key: "score", heading: "SCORE", width: 5, align: "right", rank: 9 },
  { key: "share", heading: "SHARE", width: 5, align: "right", rank: 10 },
  { key: "down", heading: "DOWN", width: 11, align: "right", rank: 3 },
  { key: "up", heading: "UP", width: 11, align: "right", rank: 4 },
  { key: "for", heading: "FOR", width: 7, align: "right", rank: 12 },
  { key: "bytes", heading: "BYTES", width: 7, align: "right", rank: 14 },
  { key: "mtu", heading: "MTU", width: 4, align: "right", rank: 15 },
  { key: "heard", heading: "HEARD", width: 6, align: "right", rank: 16 },
  {
    key: "seenAs",
    heading: "SEEN AS",
    width: 15,
    align: "left",
    rank: 17,
    grows: "to its longest text",
  },
  { key: "capacity", heading: "CAPACITY", width: 11, align: "right", rank: 18 },
  { key: "queue", heading: "QUEUE", width: 7, align: "right", rank: 19 },
  LAST_MINUTE,
];

/** `startedAtMs` as the readings' time. */
export function bondModels(readStatus: () => Promise<BondStatus>, startedAtMs: number): ReadModel {
  return async (nowMs) => bondModel(await readStatus(), nowMs - startedAtMs);
}

export function bondModel(status: BondStatus, uptimeMs: number): StatusModel {
  const total = (key: Exclude<keyof Traffic, "lastMinute">) =>
    status.links.reduce((sum, { traffic }) => sum + traffic[key], 0);
  const { server, serverAddress, addresses, session, engine } = status;
  return {
    title: `Fluxify bonding to ${server}`,
    facts: [
      addresses === "" ? "no addresses yet" : addresses,
      ...(server === serverAddress || serverAddress === "" ? [] : [`server ${serverAddress}`]),
      ...session === null
        ? ["no session"]
        : [`scheduler ${session.scheduler}`, `session ${hexadecimal(session.id)}`],
      `${engine} engine`,
    ],
    totals: [
      `down ${formatRate(total("receivedBytesPerSecond"))}`,
      `up ${formatRate(total("sentBytesPerSecond"))}`,
      `received ${formatBytes(total("receivedBytes"))}`,
      `sent ${formatBytes(total("sentBytes"))}`,
    ],
    more: [
      ...serversLine(status),
      ...unmatchedLine(status.unmatched, status.links),
      ...session === null
        ? []
        : [linksLine(status, session), ...sessionLines(session, status.gainOverBest)],
    ],
    uptimeMs,
    columns: COLUMNS,
    keys: ["s scheduler", "l links"],
    rows: status.links.map((link) => linkRow(status, link, shareOf(status, link))),
  };
}

/** None where there is one server alone, nor of a client that knows no others. */
function serversLine({ servers = [] }: Partial<BondStatus>): string[][] {
  if (servers.length === 0) return [];
  return [servers.map(({ name, state, rttMs, load }, index) => {
    const figures = [
      ...rttMs === null ? [] : [formatMs(rttMs)],
      ...load === null ? [] : [`load ${formatPart(load)}`],
    ];
    const title = index === 0 ? "servers: " : "";
    return `${title}${name} ${[state, ...figures].join(" ")}`;
  })];
}

function sessionLines(
  { reorder, compression }: SessionReport,
  gain: number | null,
): string[][] {
  const { plainBytes, carriedBytes } = compression;
  const saved = carriedBytes === 0 || plainBytes === carriedBytes
    ? formatGain(null)
    : `${formatGain(plainBytes / carriedBytes)}, ${formatBytes(plainBytes)} carried as ${
      formatBytes(carriedBytes)
    }`;
  return [
    [`gain over the best link ${formatGain(gain)}`, `compression ${saved}`],
    [
      `reorder: buffered ${reorder.bufferedEvents}`,
      `reordered ${reorder.reorderedEvents}`,
      `drops ${reorder.drops}`,
      `flushes ${reorder.flushes}`,
      `max depth ${reorder.maxDepth}`,
    ],
  ];
}

/** How many are up, how they do on average, and which are one connection further out. */
function linksLine({ links }: BondStatus, { paths }: SessionReport): string[] {
  const up = paths.filter(({ state }) => state === "up");
  const average = (of: (path: PathReport) => number | null) => {
    const known = up.map(of).filter((value) => value !== null);
    return known.length === 0 ? null : known.reduce((sum, one) => sum + one, 0) / known.length;
  };
  const shared = [...sharedHosts(up)].map(([host, names]) => `${names.join(", ")} share ${host}`);
  return [
    `${up.length} of ${links.length} links up`,
    ...transports(links.filter(({ name }) => up.some((path) => path.name === name))),
    ...shared,
    `on average RTT ${formatMs(average(({ rttMs }) => rttMs))}`,
    `jitter ${formatMs(average(({ jitterMs }) => jitterMs))}`,
    `loss ${formatPart(average(({ loss }) => loss))}`,
    `score ${formatCount(average(({ score }) => score))}`,
  ];
}

/** `one, two inside TLS: UDP gets no answer`. */
function transports(links: readonly LinkStatus[]): string[] {
  const inside = links.filter(({ transport }) => transport === "tls");
  return [...Map.groupBy(inside, ({ transportReason }) => transportReason)].map(([why, group]) =>
    `${group.map(({ name }) => name).join(", ")} inside TLS: ${why}`
  );
}

/** Of what all links carry now, both ways; null: nothing does. */
function shareOf({ links }: BondStatus, { traffic }: LinkStatus): number | null {
  const rate = (one: Traffic) => one.receivedBytesPerSecond + one.sentBytesPerSecond;
  const all = links.reduce((sum, link) => sum + rate(link.traffic), 0);
  return all === 0 ? null : rate(traffic) / all;
}

function hexadecimal(id: number): string {
  return (id >>> 0).toString(16).padStart(8, "0");
}

function pathOf({ session }: BondStatus, name: string): PathReport | undefined {
  return session?.paths.find((path) => path.name === name);
}

function linkRow(
  status: BondStatus,
  { name, problem, traffic, unchangedMs, rule, transport, transportReason }: LinkStatus,
  share: number | null,
): StatusRow {
  const path = pathOf(status, name);
  const rates: Record<string, Cell> = {
    ...trafficCells(traffic, share),
    link: span(name, "strong"),
    for: span(formatUptime(unchangedMs)),
  };
  const { lastMinute } = traffic;
  if (path === undefined) {
    const why = problem ?? (status.session === null ? "no session" : "not in use");
    const cells = { ...rates, state: span("down", "bad"), quality: span(why, "bad") };
    return {
      key: name,
      cells,
      lastMinute,
      details: [
        ["state", why],
        ...limitDetails(rule),
        ...trafficDetails(traffic, `down for ${formatUptime(unchangedMs)}`),
        ...volumeDetails(rule.volume),
      ],
    };
  }
  // What was measured before it went down is shown for what it is.
  const measured = (text: string, reason?: PathReport["isBadFor"]) =>
    span(text, path.state === "down" ? "dim" : path.isBadFor === reason ? "warn" : "plain");
  return {
    key: name,
    lastMinute,
    cells: {
      ...rates,
      state: span(path.state, STATE_TONE[path.state]),
      ...aloneOf(path),
      quality: qualityOf(path),
      rtt: measured(formatMs(path.rttMs), "rtt"),
      rttMin: measured(formatMs(path.rttMinMs)),
      jitter: measured(formatMs(path.jitterMs), "jitter"),
      loss: measured(formatPart(path.loss), "loss"),
      score: measured(formatCount(path.score)),
      capacity: measured(path.capacity === null ? "-" : formatRate(path.capacity)),
      queue: measured(formatMs(path.queuedMs)),
      mtu: span(formatCount(path.mtu)),
      heard: span(formatAge(path.heardMsAgo)),
      seenAs: span(path.seenAs ?? "-"),
    },
    details: [
      // The client sends to one address, and does not always tell which.
      ...(path.peer.endsWith(":0") ? [] : [["leads to", path.peer] as const]),
      ["RTT", `${formatMs(path.rttMs)}, least ${formatMs(path.rttMinMs)}`],
      ["jitter", `${formatMs(path.jitterMs)}, one way ${formatMs(path.delayVariationMs)}`],
      ["loss", `${formatPart(path.loss)}, score ${formatCount(path.score)}`],
      ["capacity", path.capacity === null ? "not measured" : formatRate(path.capacity)],
      ...(transport === "udp" ? [] : [["transport", `TLS: ${transportReason}`] as const]),
      ...limitDetails(rule),
      ...queueDetails(path),
      ...repairDetails(path),
      ...idleDetails(path),
      ["path MTU", path.mtu === null ? "not looked for" : `${path.mtu} bytes`],
      ["last heard", path.heardMsAgo === null ? "never" : `${formatAge(path.heardMsAgo)} ago`],
      ["seen as", path.seenAs ?? "not told"],
      ...trafficDetails(traffic, `${path.state} for ${formatUptime(unchangedMs)}`),
      ...volumeDetails(rule.volume),
    ],
  };
}

/** A screen of 80x24 has room for what there is. */
function queueDetails({ queuedBytes, queuedMs }: PathReport): [string, string][] {
  return queuedBytes === 0 ? [] : [["queue", `${formatBytes(queuedBytes)}, ${formatMs(queuedMs)}`]];
}

function repairDetails(path: PathReport): [string, string][] {
  const { retransmittedPackets, reinjectedPackets, repairedPackets } = path;
  const details: [string, string][] = [];
  if (retransmittedPackets + reinjectedPackets > 0) {
    const again = `${retransmittedPackets} lost, ${reinjectedPackets} of other links`;
    details.push(["sent again", again]);
  }
  if (repairedPackets > 0) details.push(["repaired", `${repairedPackets} lost packets`]);
  return details;
}

/** Why the path carries nothing. */
function idleDetails({ idleFor }: PathReport): [string, string][] {
  return idleFor === null ? [] : [["idle", IDLE_TEXT[idleFor]]];
}

const IDLE_TEXT: Record<IdleReason, string> = {
  "probing": "it was not heard yet",
  "suspect": "it is silent",
  "down": "it is down",
  "peer": "the server does not hear it",
  "backup": "it is a backup, and the others suffice",
  "cap reached": "its volume of this month is used up",
  "mtu": "it takes small packets only",
  "rtt": "it is far",
  "jitter": "its delay varies",
  "loss": "it loses packets",
  "recovering": "it was bad a moment ago",
  "standby": "another one is used",
};

const STATE_TONE: Record<PathReport["state"], Tone> = {
  probing: "warn",
  up: "good",
  suspect: "warn",
  down: "bad",
};

/** What the state has to say where nothing says why a link that is up is spared. */
function aloneOf({ state, idleFor, isGood }: PathReport): Record<string, Cell> {
  if (state !== "up") return {};
  if (idleFor === "backup") return { "state alone": span("backup", "warn") };
  if (idleFor === "cap reached") return { "state alone": span("at cap", "warn") };
  return isGood ? {} : { "state alone": span("avoided", "warn") };
}

function qualityOf({ state, isGood, isBadFor, idleFor }: PathReport): Cell {
  if (state !== "up") return span("-", "dim");
  if (idleFor === "backup" || idleFor === "cap reached") return span(idleFor, "warn");
  return isGood ? span("good", "good") : span(`avoided: ${isBadFor ?? "quality"}`, "warn");
}

/** `state` is how it is, and for how long. */
function trafficDetails(traffic: Traffic, state: string): [string, string][] {
  return [
    ["is", state],
    ["carried", `${formatBytes(traffic.receivedBytes)} in, ${formatBytes(traffic.sentBytes)} out`],
  ];
}
