/**
 * What load balancing is doing, as a value: for the user interface, and for the lines of the log,
 * which status_text.ts writes. Made from figures that others have read; it reads nothing.
 */
import type { AddressFamily } from "../../lib/host/links/address.ts";
import type { PathUse } from "../../lib/protocol/wire/path_rule.ts";
import type { LinkRuleStatus } from "../../lib/status/bond_status.ts";
import type { HealthReport } from "./health.ts";
import type { Bytes, Rates, Traffic } from "../../lib/status/traffic_history.ts";

/** One uplink in one address family. */
export interface UplinkFamilyStatus extends HealthReport {
  /** Null for an interface that leads to everywhere without one, and for one that leads nowhere. */
  gateway: string | null;
  /** Why it leads nowhere, such as "has no carrier"; null when it does lead on. */
  problem: string | null;
  /** Its weight among the next hops; 0 when it has none of the new connections. */
  weight: number;
  /** Why it is kept for when others do not work; null: it is not. */
  idleFor: Exclude<PathUse, "always"> | null;
  /** The part of the new connections it is given, 0 to 1. */
  connectionShare: number;
}

/** Bytes are those since the start, rates those of the last seconds. */
export interface UplinkStatus extends Traffic {
  name: string;
  /** Its part of the bytes of all uplinks since the start, 0 to 1. */
  share: number;
  /** Of a metered uplink, what it has carried this month; null for others. */
  volume: LinkRuleStatus["volume"];
  /** Null: this family is left alone. */
  families: Record<AddressFamily, UplinkFamilyStatus | null>;
}

export interface BalanceStatus extends Bytes, Rates {
  kind: "spread" | "best";
  /** In the user's order. */
  uplinks: UplinkStatus[];
  /** Names that something is prescribed for, such as a weight, and that no uplink has at present. */
  unmatched: string[];
  /** Who has carried most bytes; null before anything has been carried. */
  largest: { name: string; share: number } | null;
}

/** What is read of an uplink; the rest follows from that of all. */
export interface UplinkFigures extends Traffic {
  name: string;
  volume: LinkRuleStatus["volume"];
  families: Record<AddressFamily, Omit<UplinkFamilyStatus, "connectionShare"> | null>;
}

export function summarize(
  kind: BalanceStatus["kind"],
  figures: readonly UplinkFigures[],
): Omit<BalanceStatus, "unmatched"> {
  const bytesOf = (one: Bytes) => one.receivedBytes + one.sentBytes;
  const totalBytes = sum(figures.map(bytesOf));
  const weightOf = (one: UplinkFigures, family: AddressFamily) => one.families[family]?.weight ?? 0;
  const totalWeight = {
    4: sum(figures.map((one) => weightOf(one, 4))),
    6: sum(figures.map((one) => weightOf(one, 6))),
  };
  const withShare = (one: UplinkFigures, family: AddressFamily) => {
    const report = one.families[family];
    return report && { ...report, connectionShare: part(report.weight, totalWeight[family]) };
  };
  const uplinks = figures.map((one): UplinkStatus => ({
    ...one,
    share: part(bytesOf(one), totalBytes),
    families: { 4: withShare(one, 4), 6: withShare(one, 6) },
  }));
  const largest = uplinks.toSorted((a, b) => b.share - a.share)[0];
  return {
    kind,
    uplinks,
    receivedBytes: sum(figures.map((one) => one.receivedBytes)),
    sentBytes: sum(figures.map((one) => one.sentBytes)),
    receivedBytesPerSecond: sum(figures.map((one) => one.receivedBytesPerSecond)),
    sentBytesPerSecond: sum(figures.map((one) => one.sentBytesPerSecond)),
    largest: largest === undefined || totalBytes === 0
      ? null
      : { name: largest.name, share: largest.share },
  };
}

function part(one: number, all: number): number {
  return all === 0 ? 0 : one / all;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
