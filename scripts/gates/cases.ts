/** The links of docs/aggregation.md, for the network that scripts/lab builds. */
import type { LabLink } from "../lab/lab.ts";

const jitter = (jitterMs: number, lossRate = 0) => {
  const both = { jitterMs, lossRate };
  return { up: both, down: both };
};

export const CASES = {
  A: [{ name: "near", rateMbit: 50, rttMs: 20 }, { name: "far", rateMbit: 20, rttMs: 80 }],
  C: [
    { name: "near", rateMbit: 100, rttMs: 20, ...jitter(1) },
    { name: "far", rateMbit: 50, rttMs: 100, ...jitter(10) },
  ],
  D: [
    { name: "near", rateMbit: 100, rttMs: 40, ...jitter(5, 0.005) },
    { name: "far", rateMbit: 30, rttMs: 70, ...jitter(10, 0.002) },
  ],
  E: [
    { name: "near", rateMbit: 40, rttMs: 15 },
    { name: "middle", rateMbit: 30, rttMs: 45 },
    { name: "far", rateMbit: 20, rttMs: 120 },
  ],
  S: [{ name: "one", rateMbit: 20, rttMs: 20 }, { name: "two", rateMbit: 20, rttMs: 20 }],
  loss: [
    { name: "near", rateMbit: 50, rttMs: 20 },
    { name: "far", rateMbit: 20, rttMs: 80, ...jitter(0, 0.01) },
  ],
} satisfies Record<string, LabLink[]>;

export type CaseName = keyof typeof CASES;
