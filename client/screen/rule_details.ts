/** What is prescribed for a link, and what a metered one has carried, as screens and `status` show it. */
import { formatBytes, formatRate } from "../../lib/cli/screen/figures.ts";
import type { LinkRuleStatus } from "../../lib/status/bond_status.ts";

/** Nothing where nothing is prescribed. */
export function limitDetails(
  { downRate, upRate }: Pick<LinkRuleStatus, "downRate" | "upRate">,
): [string, string][] {
  if (downRate === null || upRate === null) return [];
  return [["limit", `${formatRate(downRate)} down, ${formatRate(upRate)} up`]];
}

/** Nothing where the link is not metered. */
export function volumeDetails(volume: LinkRuleStatus["volume"]): [string, string][] {
  if (volume === null) return [];
  const { month, bytes, capBytes } = volume;
  const cap = capBytes === null ? "" : ` of ${formatBytes(capBytes)}`;
  return [[`in ${month}`, `${formatBytes(bytes)}${cap}`]];
}

export function ruleDetails(rule: LinkRuleStatus): [string, string][] {
  return [...limitDetails(rule), ...volumeDetails(rule.volume)];
}
