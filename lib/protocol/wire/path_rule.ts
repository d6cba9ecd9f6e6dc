/** What the operator of the client has prescribed for a path. */

/**
 * - `always`: it carries like the others.
 * - `backup`: only while the others are full, or down.
 * - `cap reached`: its volume is used up, so it carries only while no other path works.
 */
export const PATH_USES = ["always", "backup", "cap reached"] as const;
export type PathUse = (typeof PATH_USES)[number];

/** Bytes a second: 100 kbit/s to 100 Gbit/s. */
export const PATH_RATE_MIN = 12_500;
export const PATH_RATE_MAX = 12_500_000_000;

/** Rates are of datagrams with their headers, in bytes a second. */
export interface PathRule {
  /** What this side sends on the path at most, and what it is believed to carry; null: not known. */
  readonly sendRate: number | null;
  /** The same of what the peer sends, which the client tells the server; null on the server. */
  readonly receiveRate: number | null;
  readonly use: PathUse;
  /** What the path carried when it was last used, each way, where that is remembered: no limits. */
  readonly sendStart?: number;
  readonly receiveStart?: number;
}

export const NO_RULE: PathRule = { sendRate: null, receiveRate: null, use: "always" };

/** @throws RangeError for a rate that no path is held to. */
export function checkPathRule(rule: PathRule): void {
  const { sendRate, receiveRate, sendStart = null, receiveStart = null } = rule;
  for (const rate of [sendRate, receiveRate, sendStart, receiveStart]) {
    if (rate === null || rate >= PATH_RATE_MIN && rate <= PATH_RATE_MAX) continue;
    throw new RangeError(
      `Cannot hold a path to ${rate} bytes a second: use ${PATH_RATE_MIN} to ${PATH_RATE_MAX}`,
    );
  }
}
