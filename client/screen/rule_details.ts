/** What a metered link has carried, as the screens of both modes show it. */
import { formatBytes } from "../../lib/cli/screen/figures.ts";
import type { LinkRuleStatus } from "../../lib/status/bond_status.ts";

export function volumeDetails(volume: LinkRuleStatus["volume"]): [string, string][] {
  if (volume === null) return [];
  const { month, bytes, capBytes } = volume;
  const cap = capBytes === null ? "" : ` of ${formatBytes(capBytes)}`;
  return [[`in ${month}`, `${formatBytes(bytes)}${cap}`]];
}
