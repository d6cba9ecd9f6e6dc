/**
 * What is measured in which order. Subjects alternate run by run, so that whatever else the machine
 * does meets all of them. A quick plan has the figures first that matter most, and ends
 * when its time is up.
 */

import { type FigureName, TCP_FIGURES, type TcpFigure } from "./figures.ts";
import type { SubjectName } from "./subject.ts";
import type { UdpSearchLimits } from "./udp_search.ts";

/** How much time each kind of measurement gets. */
export interface Effort {
  rounds: number;
  warmUpSeconds: number;
  tcpSeconds: number;
  pings: number;
  idleSeconds: number;
  udp: UdpSearchLimits & { seconds: number };
  /** How much Fluxify shall have carried before its memory is looked at; null: whatever it has. */
  carry: { bytes: number; secondsMax: number } | null;
  /** Steps that cannot be over by then, after the start of the program, are left out. */
  deadlineMs: number | null;
}

export const QUICK: Effort = {
  rounds: 1,
  warmUpSeconds: 1,
  tcpSeconds: 1,
  pings: 20,
  idleSeconds: 2,
  udp: { trialsMax: 4, attemptsPerRate: 1, seconds: 1 },
  carry: null,
  deadlineMs: 46_000,
};

export const FULL: Effort = {
  rounds: 3,
  warmUpSeconds: 2,
  tcpSeconds: 4,
  pings: 100,
  idleSeconds: 20,
  udp: { trialsMax: 9, attemptsPerRate: 2, seconds: 2 },
  carry: { bytes: 10e9, secondsMax: 120 },
  deadlineMs: null,
};

export type Step =
  /** Each tunnel in both directions: nothing of it counts. */
  | { kind: "warm up" }
  | { kind: "tcp"; figure: TcpFigure; subject: SubjectName }
  | { kind: "ping"; subject: SubjectName }
  | { kind: "udp"; subject: SubjectName }
  /** All tunnels at once: nothing is sent. */
  | { kind: "idle" }
  | { kind: "carry"; subject: SubjectName };

export function makePlan(
  effort: Effort,
  subjects: readonly SubjectName[],
  figures: readonly FigureName[],
): Step[] {
  const wants = (name: FigureName) => figures.includes(name);
  const tunnels = subjects.filter((subject) => subject !== "raw");
  const needsTraffic = wants("cpu_s_per_gb") || wants("rss_mib") || wants("rss_growth_mib");
  const tcp = (flows: number): Step[] =>
    TCP_FIGURES.filter((figure) =>
      figure.flows === flows && (wants(figure.name) || (flows === 1 && needsTraffic))
    ).flatMap((figure) => subjects.map((subject) => ({ kind: "tcp", figure, subject })));
  const pings: Step[] = wants("ping_added_ms")
    ? tunnels.map((subject) => ({ kind: "ping", subject }))
    : [];
  const idle: Step[] = wants("idle_cpu_percent") && tunnels.length > 0 ? [{ kind: "idle" }] : [];
  const udp: Step[] = wants("udp_pps")
    ? leastUsefulLast(subjects).map((subject) => ({ kind: "udp", subject }))
    : [];
  const carry: Step[] = effort.carry !== null && needsTraffic && subjects.includes("fluxify")
    ? [{ kind: "carry", subject: "fluxify" }]
    : [];

  const rounds = Array.from({ length: effort.rounds }, (_, round): Step[] => [
    ...tcp(1),
    ...pings,
    // Once is enough, and early: the quick plan may come to no end.
    ...(round === 0 ? idle : []),
    ...tcp(8),
  ]);
  const warmUp: Step[] = tunnels.length > 0 ? [{ kind: "warm up" }] : [];
  return [...warmUp, ...rounds.flat(), ...udp, ...carry];
}

/** Subjects but raw. */
const TUNNELS_MAX = 3;

/** How long a step takes, about. */
export function stepSeconds(step: Step, effort: Effort): number {
  const overheadSeconds = 0.2;
  const secondsPerPing = 0.017;
  switch (step.kind) {
    case "warm up":
      return TUNNELS_MAX * 2 * (effort.warmUpSeconds + overheadSeconds);
    case "tcp":
      return effort.tcpSeconds + overheadSeconds;
    case "ping":
      return 2 * effort.pings * secondsPerPing + overheadSeconds;
    case "udp":
      return effort.udp.trialsMax * (effort.udp.seconds + overheadSeconds);
    case "idle":
      return effort.idleSeconds;
    case "carry":
      return effort.carry?.secondsMax ?? 0;
    default:
      return step satisfies never;
  }
}

function leastUsefulLast(subjects: readonly SubjectName[]): SubjectName[] {
  const order: readonly SubjectName[] = ["fluxify", "wireguardGo", "openvpn", "raw"];
  return order.filter((subject) => subjects.includes(subject));
}
