/**
 * The lines of the server's `-metrics-every` and the client's `-status-every`: one for each session
 * and one for each of its paths, `key=value` with a space between. The unit of a number stands behind
 * it or in its key; what is not known is `-`. Keys and their order stay: they are documented in
 * docs/operations.md, for grep and awk.
 */
import type { PathReport, SessionReport } from "../net/engine.ts";

/** The peer of a socket that is connected, as the client's are: what comes has no address. */
const UNSPECIFIED = "[::]:0";

type Field = readonly [key: string, value: string];

/** A line, and the same as values for logs in JSON. */
interface MetricsLine {
  readonly line: string;
  readonly values: Omit<SessionReport, "paths"> | PathReport & { readonly session: string };
}

export function metricsLines(session: SessionReport): MetricsLine[] {
  const { paths, ...own } = session;
  return [
    { line: lineOf(sessionFields(session)), values: own },
    ...paths.map((path) => ({
      line: lineOf([["session", word(session.name)], ...pathFields(path)]),
      values: { ...path, session: session.name },
    })),
  ];
}

/** For one line of log: `replayed 3, not authentic 12`. */
export function describeDrops(drops: Readonly<Record<string, number>>): string {
  const entries = Object.entries(drops);
  return entries.length === 0 ? "none" : entries.map((entry) => entry.join(" ")).join(", ");
}

function lineOf(fields: readonly Field[]): string {
  return fields.map(([key, value]) => `${key}=${value}`).join(" ");
}

function sessionFields(
  { name, id, wire, scheduler, paths, mtu, reorder, compression }: SessionReport,
): Field[] {
  return [
    ["session", word(name)],
    ["id", id.toString(16).padStart(8, "0")],
    ["wire", wire],
    ["scheduler", scheduler],
    ["paths", `${paths.length}`],
    ["mtu", known(mtu, (bytes) => `${bytes}B`)],
    ["reorder.bufferedEvents", `${reorder.bufferedEvents}`],
    ["reorder.reorderedEvents", `${reorder.reorderedEvents}`],
    ["reorder.drops", `${reorder.drops}`],
    ["reorder.flushes", `${reorder.flushes}`],
    ["reorder.maxDepth", `${reorder.maxDepth}packets`],
    ["compression.plain", `${compression.plainBytes}B`],
    ["compression.carried", `${compression.carriedBytes}B`],
  ];
}

function pathFields(path: PathReport): Field[] {
  return [
    ["path", `${path.id}`],
    ["name", word(path.name)],
    ["address", path.peer === UNSPECIFIED ? "-" : word(path.peer)],
    ["state", path.state],
    ["good", path.isGood ? "yes" : "no"],
    ["badFor", word(path.isBadFor ?? "-")],
    ["rtt", known(path.rttMs, (ms) => `${ms.toFixed(1)}ms`)],
    ["rttLast", known(path.rttLastMs, (ms) => `${ms.toFixed(1)}ms`)],
    ["rttMin", known(path.rttMinMs, (ms) => `${ms.toFixed(1)}ms`)],
    ["jitter", known(path.jitterMs, (ms) => `${ms.toFixed(1)}ms`)],
    ["delayVariation", known(path.delayVariationMs, (ms) => `${ms.toFixed(1)}ms`)],
    ["loss", known(path.loss, (share) => `${(share * 100).toFixed(1)}%`)],
    ["score", known(path.score, (points) => `${Math.round(points)}/100`)],
    ["lastSeen", known(path.heardMsAgo, (ms) => `${Math.round(ms)}ms`)],
    ["in", `${path.receivedBytes}B`],
    ["out", `${path.sentBytes}B`],
    ["rate", known(path.deliveryRate, (rate) => `${Math.round(rate)}B/s`)],
    ["mtu", known(path.mtu, (bytes) => `${bytes}B`)],
    ["idleFor", word(path.idleFor ?? "-")],
    ["limit", known(path.rateLimit, (rate) => `${Math.round(rate)}B/s`)],
    ["capacity", known(path.capacity, (rate) => `${Math.round(rate)}B/s`)],
    ["sending", `${Math.round(path.sendingRate)}B/s`],
    ["queue", `${path.queuedBytes}B`],
    ["queueTime", `${path.queuedMs.toFixed(1)}ms`],
    ["retransmitted", `${path.retransmittedPackets}packets`],
    ["reinjected", `${path.reinjectedPackets}packets`],
    ["repaired", `${path.repairedPackets}packets`],
  ];
}

function known(value: number | null, format: (value: number) => string): string {
  return value === null ? "-" : format(value);
}

/** In quotes when it would not be one word: names may come from another program's certificates. */
function word(text: string): string {
  return /^[^\s"=]+$/.test(text) ? text : JSON.stringify(text);
}
