/** What `deno task gates` found, as lines of a table. */

/** Of 1478 bytes on a link 1348 are TCP payload in the tunnel (MTU 1400). */
export const PAYLOAD_SHARE = 1348 / 1478;
/**
 * Of 1500 bytes on a link 1448 are TCP payload without a tunnel: what all links together can give
 * through it, of what they give without.
 */
export const TUNNEL_SHARE = PAYLOAD_SHARE / (1448 / 1500);

export interface GateRow {
  readonly what: string;
  /** Mbit/s of the links, one after the other alone, together. */
  readonly sumMbit: number;
  readonly bestMbit: number;
  /** By scheduler; the median of the runs. */
  readonly tunnel: readonly TunnelFigure[];
  readonly mptcpMbit: number | null;
}

interface TunnelFigure {
  readonly scheduler: string;
  readonly mbit: number;
  readonly pingMedianMs: number;
  readonly ping95Ms: number;
}

export function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1]!;
}

function share(mbit: number, sumMbit: number): string {
  return `${mbit.toFixed(1)} (${(100 * mbit / sumMbit).toFixed(0)} %)`;
}

/** The head of a table for these schedulers. */
export function formatHead(schedulers: readonly string[]): string {
  const columns = [
    "what",
    ...schedulers.flatMap((name) => [name, "ping, ms"]),
    "MPTCP",
    "best link",
  ];
  return `| ${columns.join(" | ")} |\n|${" --- |".repeat(columns.length)}`;
}

/** No scheduler may give less than so much of what the best link gives alone. */
const FLOOR_SHARE = 0.97;

export function formatRow({ what, sumMbit, bestMbit, tunnel, mptcpMbit }: GateRow): string {
  const floorMbit = FLOOR_SHARE * TUNNEL_SHARE * bestMbit;
  const figures = tunnel.flatMap(({ mbit, pingMedianMs, ping95Ms }) => [
    share(mbit, TUNNEL_SHARE * sumMbit) + (mbit < floorMbit ? " BELOW the best link" : ""),
    `${pingMedianMs.toFixed(0)} / ${ping95Ms.toFixed(0)}`,
  ]);
  const mptcp = mptcpMbit === null ? "not measured" : share(mptcpMbit, sumMbit);
  return `| ${[what, ...figures, mptcp, bestMbit.toFixed(1)].join(" | ")} |`;
}
