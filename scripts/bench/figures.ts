/** The figures of the benchmark: what each is called, its unit, and what Fluxify is to reach. */

import type { SubjectName } from "./subject.ts";

export type FigureName =
  | "tcp1_up"
  | "tcp1_down"
  | "tcp8_up"
  | "tcp8_down"
  | "cpu_s_per_gb"
  | "ping_added_ms"
  | "udp_pps"
  | "rss_mib"
  | "rss_growth_mib"
  | "idle_cpu_percent";

/** What is to be reached: every bar that applies. */
interface Target {
  atLeast?: number;
  atMost?: number;
  /** So many times the figure of a subject measured in the same run. */
  times?: Partial<Record<SubjectName, number>>;
}

export interface Figure {
  name: FigureName;
  unit: string;
  better: "higher" | "lower";
  /** Digits behind the point. */
  digits: number;
  target: Target;
}

/** On a quiet machine with two cores; the ratios hold on any. */
const TCP_TARGET: Target = { atLeast: 2500, times: { wireguardGo: 1.4, openvpn: 5 } };

const rate = (name: FigureName, unit: string, target: Target): Figure => (
  { name, unit, better: "higher", digits: 0, target }
);

const cost = (name: FigureName, unit: string, digits: number, atMost: number): Figure => (
  { name, unit, better: "lower", digits, target: { atMost } }
);

/** In the order of the report. */
export const FIGURES: readonly Figure[] = [
  rate("tcp1_up", "Mbit/s", TCP_TARGET),
  rate("tcp1_down", "Mbit/s", TCP_TARGET),
  rate("tcp8_up", "Mbit/s", TCP_TARGET),
  rate("tcp8_down", "Mbit/s", TCP_TARGET),
  cost("cpu_s_per_gb", "s/GB", 2, 4),
  cost("ping_added_ms", "ms", 3, 0.5),
  rate("udp_pps", "packets/s", { atLeast: 60_000 }),
  cost("rss_mib", "MiB", 1, 160),
  cost("rss_growth_mib", "MiB", 1, 10),
  cost("idle_cpu_percent", "%", 2, 1),
];

export const TCP_FIGURES = [
  { name: "tcp1_up", flows: 1, direction: "up" },
  { name: "tcp1_down", flows: 1, direction: "down" },
  { name: "tcp8_up", flows: 8, direction: "up" },
  { name: "tcp8_down", flows: 8, direction: "down" },
] as const;

export type TcpFigure = typeof TCP_FIGURES[number];
