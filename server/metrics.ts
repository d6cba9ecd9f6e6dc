/** The lines of `-metrics-every`: one for each session. */
import type { PathReport, SessionReport } from "../lib/net/engine/engine.ts";

export function metricsLine(session: SessionReport): string {
  const { name, id, paths, reorder } = session;
  const counters = Object.entries(reorder).map(([key, value]) => `${key}=${value}`).join(" ");
  const parts = paths.map(pathPart).join("; ") || "no path";
  return `session ${name} ${id.toString(16).padStart(8, "0")}: ${parts}; reorder ${counters}`;
}

function pathPart(path: PathReport): string {
  const heard = path.heardMsAgo === null ? "never" : `${Math.round(path.heardMsAgo)} ms ago`;
  const rtt = path.rttMs === null ? "" : ` rtt ${path.rttMs.toFixed(1)} ms`;
  const jitter = path.jitterMs === null ? "" : ` jitter ${path.jitterMs.toFixed(1)} ms`;
  return `path ${path.id} ${path.peer} ${path.state}${rtt}${jitter} heard ${heard} ` +
    `in ${path.receivedBytes} B out ${path.sentBytes} B`;
}
