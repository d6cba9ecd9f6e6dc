import * as v from "valibot";
import { type CommandRunner, runForList } from "../command/runner.ts";
import { type NextHop, OWN_PROTOCOL } from "./gateway/routing_table.ts";
import type { AddressFamily } from "../links/address.ts";
import { checkInterfaceName } from "../links/network_interface.ts";

/**
 * The metric of our default route in the main table: before those that have one, and behind 0, which
 * stays free. There a DHCP client may add its route, where a second one would be refused, and we see it.
 */
export const OWN_METRIC = 1;
/** What `ip` takes. */
export const WEIGHT_MAX = 256;

export interface WeightedHop {
  nextHop: NextHop;
  /** From 1 to WEIGHT_MAX: its part of the connections, in relation to the others. */
  weight: number;
}

/** The number of a table of our own, or the main one, which others use too. */
export type DefaultTable = number | "main";

interface DefaultVia {
  family: AddressFamily;
  table: DefaultTable;
  /** At least one. */
  hops: readonly WeightedHop[];
}

/** `ip route replace default nexthop via G dev I weight W ...`. Throws RangeError. */
export function replaceDefault({ family, table, hops }: DefaultVia): string[] {
  if (hops.length === 0) throw new RangeError("a route needs a next hop");
  return [
    ...["ip", `-${family}`, "route", "replace", "default", ...placeWords(table)],
    ...(hops.length === 1
      ? [...hopWords(family, hops[0]!), ...sourceWords(hops[0]!)]
      : hops.flatMap((hop) => ["nexthop", ...hopWords(family, hop), "weight", weightWord(hop)])),
  ];
}

/** Deletes what replaceDefault() put there. */
export function deleteDefault(family: AddressFamily, table: DefaultTable): string[] {
  return ["ip", `-${family}`, "route", "del", "default", ...placeWords(table)];
}

function placeWords(table: DefaultTable): string[] {
  const place = table === "main" ? ["metric", String(OWN_METRIC)] : ["table", String(table)];
  return [...place, "protocol", OWN_PROTOCOL];
}

function hopWords(family: AddressFamily, { nextHop }: WeightedHop): string[] {
  const { device, gateway } = nextHop;
  return [
    ...(gateway === undefined
      ? []
      : ["via", ...(gateway.family === family ? [] : ["inet6"]), gateway.address]),
    ...["dev", checkInterfaceName(device)],
    ...(gateway?.onlink ? ["onlink"] : []),
  ];
}

/** A route has one source for all its next hops: where there are several, NAT gives each its own. */
function sourceWords({ nextHop: { source } }: WeightedHop): string[] {
  return source === undefined ? [] : ["src", source];
}

function weightWord({ weight }: WeightedHop): string {
  if (Number.isInteger(weight) && weight >= 1 && weight <= WEIGHT_MAX) return String(weight);
  throw new RangeError(`a weight is 1 to ${WEIGHT_MAX}, not ${weight}`);
}

const HopSchema = v.object({
  dev: v.string(),
  gateway: v.optional(v.string()),
  via: v.optional(v.object({ host: v.string() })),
  weight: v.optional(v.number(), 1),
  flags: v.optional(v.array(v.string()), []),
});
const RouteSchema = v.object({
  dst: v.literal("default"),
  table: v.optional(v.string(), "main"),
  protocol: v.literal(OWN_PROTOCOL),
  dev: v.optional(v.string()),
  gateway: v.optional(v.string()),
  via: v.optional(v.object({ host: v.string() })),
  flags: v.optional(v.array(v.string()), []),
  prefsrc: v.optional(v.string()),
  nexthops: v.optional(v.array(HopSchema), []),
});

/**
 * Our default routes as the kernel has them, a line for each table; one is the same as
 * describeHops() of what was put there when nothing has happened to it since.
 */
export async function readOwnDefaults(
  runner: CommandRunner,
  family: AddressFamily,
): Promise<Map<DefaultTable, string>> {
  const routes = await runForList(
    runner,
    ["ip", `-${family}`, "-j", "route", "show", "table", "all"],
    RouteSchema,
  );
  const hopsOf = new Map<DefaultTable, DescribedHop[]>();
  for (const route of routes) {
    const { dev } = route;
    const hops = dev === undefined ? route.nexthops : [{ ...route, dev, weight: 1 }];
    const table = route.table === "main" ? route.table : Number(route.table);
    // Some versions show each hop of an IPv6 route as a route.
    hopsOf.set(table, [
      ...hopsOf.get(table) ?? [],
      ...hops.map((hop) => ({
        device: hop.dev,
        gateway: hop.gateway ?? hop.via?.host,
        source: route.prefsrc,
        weight: hop.weight,
        isDead: hop.flags.includes("dead"),
      })),
    ]);
  }
  return new Map([...hopsOf].map(([table, hops]) => [table, describe(hops)]));
}

export function describeHops(hops: readonly WeightedHop[]): string {
  return describe(hops.map(({ nextHop, weight }) => ({
    device: nextHop.device,
    gateway: nextHop.gateway?.address,
    source: hops.length === 1 ? nextHop.source : undefined,
    weight: hops.length === 1 ? 1 : weight,
    isDead: false,
  })));
}

interface DescribedHop {
  device: string;
  gateway: string | undefined;
  source: string | undefined;
  weight: number;
  isDead: boolean;
}

function describe(hops: readonly DescribedHop[]): string {
  return hops.map(({ device, gateway, source, weight, isDead }) =>
    `${device} via ${gateway ?? "none"} from ${source ?? "any"} weight ${weight}` +
    `${isDead ? " dead" : ""}`
  ).sort().join(", ");
}
