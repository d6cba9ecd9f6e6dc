/** What a person is shown of load balancing: a value for the user interface, and lines for the log. */
import type { AddressFamily } from "../../lib/net/interface/address.ts";
import type { HealthReport } from "./health.ts";
import type { Bytes, Rates } from "./traffic.ts";

export interface UplinkStatus extends Bytes, Rates {
  name: string;
  /** Its part of the bytes of all uplinks since the start, 0 to 1. */
  share: number;
  /** Null: this family is left alone. The weight is 0 for an uplink that is out. */
  families: Record<AddressFamily, HealthReport & { weight: number } | null>;
}

export interface BalanceStatus extends Rates {
  uplinks: UplinkStatus[];
  /** Who carries most; null before anything has been carried. */
  largest: { name: string; share: number } | null;
}

export type UplinkFigures = Omit<UplinkStatus, "share">;

export function summarize(figures: readonly UplinkFigures[]): BalanceStatus {
  const bytesOf = (one: Bytes) => one.receivedBytes + one.sentBytes;
  const totalBytes = sum(figures.map(bytesOf));
  const uplinks = figures.map((one) => ({
    ...one,
    share: totalBytes === 0 ? 0 : bytesOf(one) / totalBytes,
  }));
  const largest = uplinks.toSorted((a, b) => b.share - a.share)[0];
  return {
    uplinks,
    receivedBytesPerSecond: sum(figures.map((one) => one.receivedBytesPerSecond)),
    sentBytesPerSecond: sum(figures.map((one) => one.sentBytesPerSecond)),
    largest: largest === undefined || totalBytes === 0
      ? null
      : { name: largest.name, share: largest.share },
  };
}

/** A line for each uplink and one for all. */
export function formatStatus(status: BalanceStatus): string[] {
  const lines = status.uplinks.map((uplink) => {
    const families = ([4, 6] as const).flatMap((family) => {
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

function formatHealth(report: HealthReport & { weight: number }): string {
  const { state, weight, rttMs, jitterMs, loss, score } = report;
  return [
    `${state}, weight ${weight}`,
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

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
