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

export type Target =
  /** No worse than a subject on the same machine at the same time. */
  | { kind: "as good as"; subject: SubjectName }
  | { kind: "at most"; value: number };

export interface Figure {
  name: FigureName;
  unit: string;
  better: "higher" | "lower";
  /** Digits behind the point. */
  digits: number;
  target: Target;
}

const AS_WIREGUARD_GO: Target = { kind: "as good as", subject: "wireguardGo" };

const rate = (name: FigureName, unit: string): Figure => (
  { name, unit, better: "higher", digits: 0, target: AS_WIREGUARD_GO }
);

const cost = (name: FigureName, unit: string, digits: number, target: Target): Figure => (
  { name, unit, better: "lower", digits, target }
);

/** In the order of the report. */
export const FIGURES: readonly Figure[] = [
  rate("tcp1_up", "Mbit/s"),
  rate("tcp1_down", "Mbit/s"),
  rate("tcp8_up", "Mbit/s"),
  rate("tcp8_down", "Mbit/s"),
  cost("cpu_s_per_gb", "s/GB", 2, AS_WIREGUARD_GO),
  cost("ping_added_ms", "ms", 3, { kind: "at most", value: 0.5 }),
  rate("udp_pps", "packets/s"),
  cost("rss_mib", "MiB", 1, { kind: "at most", value: 200 }),
  cost("rss_growth_mib", "MiB", 1, { kind: "at most", value: 10 }),
  cost("idle_cpu_percent", "%", 2, { kind: "at most", value: 2 }),
];

export const TCP_FIGURES = [
  { name: "tcp1_up", flows: 1, direction: "up" },
  { name: "tcp1_down", flows: 1, direction: "down" },
  { name: "tcp8_up", flows: 8, direction: "up" },
  { name: "tcp8_down", flows: 8, direction: "down" },
] as const;

export type TcpFigure = typeof TCP_FIGURES[number];
