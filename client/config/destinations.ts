/** What `-bypass` and `-only` name: destinations that go beside the tunnel, or alone go into it. */
import { Option } from "@commander-js/extra-typings";
import { UsageError } from "../../lib/cli/exit.ts";
import { parseHost } from "../../lib/cli/host_name.ts";
import { parseList } from "../../lib/cli/list.ts";
import { GROUPS } from "../../lib/cli/tunnel_options.ts";
import { plainCgroupPath } from "../../lib/host/firewall/cgroup.ts";
import { parseMark } from "../../lib/host/firewall/traffic_mark.ts";
import { canonicalPrefix, familyOf } from "../../lib/host/links/address.ts";
import { PART_PREFIX_LENGTH_MAX } from "../../lib/host/routes/default_route.ts";
import { prefixLength } from "../../lib/host/routes/gateway/gateway.ts";

/** Each once, in the user's order; prefixes as the kernel writes them, with their length. */
export interface Destinations {
  readonly prefixes: readonly string[];
  readonly names: readonly string[];
}

export const bypassOption = () =>
  new Option(
    "--bypass <list>",
    "what goes beside the tunnel, as in 192.0.2.0/24,example.com: prefixes, addresses and names",
  ).helpGroup(GROUPS.links).argParser((text) => parseDestinations("-bypass", text));

export const bypassCgroupOption = () =>
  new Option(
    "--bypass-cgroup <list>",
    "programs beside the tunnel, by cgroup (v2), as in system.slice/backup.service; needs nft",
  ).helpGroup(GROUPS.links).argParser(parseCgroups);

export const bypassMarkOption = () =>
  new Option(
    "--bypass-mark <mark>",
    "packets beside the tunnel, by the mark they bear, as in 0x10 or 0x10/0xf0",
  ).helpGroup(GROUPS.links).argParser((text) =>
    orUsageError("-bypass-mark", () => parseMark(text))
  );

/** Each costs a rule. */
const CGROUPS_MAX = 16;

/** Throws UsageError. */
function parseCgroups(text: string): string[] {
  const paths = parseList("-bypass-cgroup", text, "refuse")
    .map((item) => orUsageError("-bypass-cgroup", () => plainCgroupPath(item)));
  if (paths.length === 0) throw new UsageError("-bypass-cgroup must name a cgroup");
  if (paths.length > CGROUPS_MAX) {
    throw new UsageError(
      `-bypass-cgroup takes at most ${CGROUPS_MAX} cgroups, not ${paths.length}`,
    );
  }
  return [...new Set(paths)];
}

function orUsageError<Value>(flag: string, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new UsageError(`${flag}: ${error.message}`);
  }
}

export const onlyOption = () =>
  new Option(
    "--only <list>",
    "send only this through the tunnel (default: everything)",
  ).helpGroup(GROUPS.links).argParser((text) => parseDestinations("-only", text));

/** Throws UsageError. */
export function parseDestinations(flag: string, text: string): Destinations {
  const prefixes = new Set<string>();
  const names = new Set<string>();
  for (const item of parseList(flag, text, "refuse")) {
    const prefix = prefixOf(flag, item);
    if (prefix === null) names.add(parseHost(flag, item).toLowerCase());
    else prefixes.add(prefix);
  }
  if (prefixes.size + names.size === 0) throw new UsageError(`${flag} must name a destination`);
  return { prefixes: [...prefixes], names: [...names] };
}

/** Null for a name. Throws UsageError. */
function prefixOf(flag: string, item: string): string | null {
  let prefix: string;
  try {
    prefix = canonicalPrefix(item);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    if (!item.includes("/") && !item.includes(":")) return null;
    throw new UsageError(`${flag} must hold prefixes, addresses and names, not '${item}'`);
  }
  if (prefixLength(prefix) > PART_PREFIX_LENGTH_MAX[familyOf(prefix.split("/")[0]!)]) return prefix;
  throw new UsageError(
    `${flag} takes no prefix as wide as '${item}', which is about everything there is`,
  );
}

/** Refuses what contradicts the other options. Throws UsageError. */
export function checkDestinations(
  { only, killSwitch, policyRouting }: {
    only: Destinations | null;
    killSwitch: boolean;
    policyRouting: boolean;
  },
): void {
  if (only === null) return;
  if (killSwitch) {
    throw new UsageError(
      "-only sends most traffic beside the tunnel, and -kill-switch would drop it: give one of them",
    );
  }
  if (policyRouting) {
    throw new UsageError(
      "-only and -policy-routing cannot be used together: packets from a link's address would go " +
        "into the tunnel, and the server takes none of them",
    );
  }
}
