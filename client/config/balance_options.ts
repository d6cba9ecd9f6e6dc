/** The options of load-balance mode, and what is refused beside them. */
import { Option } from "@commander-js/extra-typings";
import { durationMsIn } from "../../lib/cli/duration.ts";
import { UsageError } from "../../lib/cli/exit.ts";
import { parseAddress, parseInterfaceName } from "../../lib/cli/host_name.ts";
import { integerIn } from "../../lib/cli/integer.ts";
import { parseList } from "../../lib/cli/list.ts";
import type { InstanceOptions } from "../../lib/cli/instance_options.ts";
import type { LinkUses } from "./link_rules.ts";
import { GROUPS, type TunnelOptions } from "../../lib/cli/tunnel_options.ts";
import { UPLINKS_MAX } from "../../lib/host/firewall/uplink_rules.ts";
import { WEIGHT_MAX } from "../../lib/host/routes/multipath_route.ts";

const BALANCED_LINKS_MIN = 2;
const INTERVAL_MIN_MS = 200;
const INTERVAL_MAX_MS = 10 * 60_000;
const TARGETS_MAX = 8;
const STATUS_MIN_MS = 1_000;
const STATUS_MAX_MS = 24 * 60 * 60_000;

type BalanceKind = "spread" | "best";
const BALANCE_KINDS = ["spread", "best"] as const satisfies BalanceKind[];

export interface BalanceOptions
  extends InstanceOptions, Pick<TunnelOptions, "logLevel" | "logFormat"> {
  /** In the user's order; empty: all with a gateway. */
  interfaces: string[];
  balance: BalanceKind;
  /** Whether it ends the program that there are fewer than two uplinks at the start. */
  once: boolean;
  /** Uplinks that are used only when others do not work. */
  uses: LinkUses;
  /** By interface, 1 for those not named; null: by the quality of the links. */
  weights: ReadonlyMap<string, number> | null;
  healthIntervalMs: number;
  /** Addresses to probe; empty: the gateway, then public resolvers. */
  healthTargets: string[];
  /** 0: only on SIGUSR2. */
  statusEveryMs: number;
  /** A web page that answers with the address it sees, or null: not asked. */
  externalIpUrl: string | null;
  /** Whether a live full-screen status is shown. */
  ui: boolean;
}

/** Flags, as a user writes them, that only load-balance mode knows. */
export const BALANCE_FLAGS = [
  "-balance",
  "-weights",
  "-health-interval",
  "-health-target",
  "-external-ip-url",
];

export const balanceOption = () =>
  new Option("--balance <kind>", "with -l: spread over all uplinks, or best for the nearest one")
    .helpGroup(GROUPS.links).choices(BALANCE_KINDS).default("spread" as BalanceKind).argParser(
      parseKind,
    );

export const weightsOption = () =>
  new Option("--weights <list>", "with -l: as in wan1=3,wan2=1 (default: by link quality)")
    .helpGroup(GROUPS.links)
    .argParser(parseWeights);

export const healthIntervalOption = () =>
  new Option("--health-interval <time>", "with -l: how often each uplink is probed, 200ms to 10m")
    .helpGroup(GROUPS.links)
    .default(5_000, "5s")
    .argParser(durationMsIn("-health-interval", INTERVAL_MIN_MS, INTERVAL_MAX_MS));

export const healthTargetOption = () =>
  new Option(
    "--health-target <list>",
    "with -l: addresses to probe (default: the gateway, then public resolvers)",
  )
    .helpGroup(GROUPS.links)
    .argParser(parseTargets);

export const statusEveryOption = () =>
  new Option("--status-every <time>", "log the status this often, 1s to 24h; 0 is never")
    .helpGroup(GROUPS.output).default(0, "0").argParser(parseStatusEvery);

export const externalIpUrlOption = () =>
  new Option("--external-ip-url <url>", "with -l: page that tells our address, to compare uplinks")
    .helpGroup(GROUPS.links)
    .argParser(parseUrl);

/** The interfaces to balance over. Throws UsageError. */
export function checkBalancedInterfaces(given: readonly string[]): string[] {
  const interfaces = [...new Set(given)];
  if (interfaces.length > 0 && interfaces.length < BALANCED_LINKS_MIN) {
    throw new UsageError(
      `-l needs at least two interfaces, and -ifaces names only '${interfaces[0]}'`,
    );
  }
  if (interfaces.length > UPLINKS_MAX) {
    throw new UsageError(`-l takes at most ${UPLINKS_MAX} interfaces, not ${interfaces.length}`);
  }
  return interfaces;
}

/**
 * Refuses weights of interfaces that are not balanced, and weights where there is nothing to weigh.
 * `balanced` is empty as long as nobody knows which are. Throws UsageError.
 */
export function checkWeights(
  balance: BalanceKind,
  weights: ReadonlyMap<string, number> | null,
  balanced: readonly string[],
): void {
  if (weights === null) return;
  if (balance === "best") {
    throw new UsageError(
      "-weights does not go with -balance best, which uses one uplink at a time",
    );
  }
  const stranger = weights.keys().find((name) => !balanced.includes(name));
  if (stranger !== undefined && balanced.length > 0) {
    throw new UsageError(
      `-weights names '${stranger}', which is not one of the uplinks ${balanced.join(", ")}`,
    );
  }
}

function parseKind(text: string): BalanceKind {
  if (text === "spread" || text === "best") return text;
  throw new UsageError(`-balance must be spread or best, not '${text}'`);
}

function parseWeights(text: string): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const item of parseList("-weights", text, "refuse")) {
    const [name = "", weight, more] = item.split("=");
    if (weight === undefined || more !== undefined) {
      throw new UsageError(`-weights must be a list such as wan1=3,wan2=1, not '${text}'`);
    }
    if (weights.has(name)) throw new UsageError(`-weights names '${name}' twice`);
    weights.set(
      parseInterfaceName("-weights", name),
      integerIn(`-weights ${name}`, 1, WEIGHT_MAX)(weight),
    );
  }
  return weights;
}

/** Each costs a `ping` per probe and uplink. */
function parseTargets(text: string): string[] {
  const targets = parseList("-health-target", text, "refuse");
  if (targets.length > TARGETS_MAX) {
    throw new UsageError(`-health-target takes at most ${TARGETS_MAX}, not ${targets.length}`);
  }
  return targets.map((address) => parseAddress("-health-target", address));
}

function parseStatusEvery(text: string): number {
  return text === "0" ? 0 : durationMsIn("-status-every", STATUS_MIN_MS, STATUS_MAX_MS)(text);
}

function parseUrl(text: string): string {
  const url = URL.parse(text);
  if (url?.protocol === "http:" || url?.protocol === "https:") return url.href;
  throw new UsageError(`-external-ip-url must be an http or https URL, not '${text}'`);
}
