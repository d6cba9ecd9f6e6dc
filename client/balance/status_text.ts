/** The status of load balancing in lines for a log. */
import { FAMILIES } from "../../lib/host/links/address.ts";
import type { BalanceStatus, UplinkFamilyStatus } from "./status.ts";
import type { Rates } from "../../lib/status/traffic_history.ts";

/** A line for each uplink and one for all. */
export function formatStatus(status: Omit<BalanceStatus, "unmatched">): string[] {
  const lines = status.uplinks.map((uplink) => {
    const families = FAMILIES.flatMap((family) => {
      const report = uplink.families[family];
      return report === null ? [] : [`IPv${family} ${formatHealth(report)}`];
    });
    return [
      `${uplink.name}: ${percent(uplink.share)} of the bytes, ${formatRates(uplink)}, ` +
      `${bytes(uplink.receivedBytes)} received, ${bytes(uplink.sentBytes)} sent`,
      ...families,
    ].join("; ");
  });
  const { largest } = status;
  const most = largest === null
    ? "nothing carried so far"
    : `the largest share is ${percent(largest.share)} on ${largest.name}`;
  return [...lines, `all uplinks: ${formatRates(status)}; ${most}`];
}

function formatHealth(report: UplinkFamilyStatus): string {
  const { state, problem, weight, connectionShare, rttMs, jitterMs, loss, score } = report;
  if (problem !== null) return problem;
  const held = report.idleFor === null ? "" : ` (${report.idleFor})`;
  return [
    `${state}${held}, weight ${weight} (${percent(connectionShare)} of new connections)`,
    `RTT ${milliseconds(rttMs)}`,
    `jitter ${milliseconds(jitterMs)}`,
    `loss ${percent(loss)}`,
    `score ${score}`,
  ].join(", ");
}

function formatRates({ receivedBytesPerSecond, sentBytesPerSecond }: Rates): string {
  return `${bytes(receivedBytesPerSecond)}/s down, ${bytes(sentBytesPerSecond)}/s up`;
}

function bytes(count: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = count < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
  const digits = power === 0 ? 0 : 1;
  return `${(count / 1000 ** power).toFixed(digits)} ${units[power]}`;
}

function milliseconds(ms: number | null): string {
  return ms === null ? "unknown" : `${ms.toFixed(1)} ms`;
}

function percent(part: number): string {
  return `${(100 * part).toFixed(0)} %`;
}
