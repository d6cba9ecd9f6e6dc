/**
 * The uplinks as they are: which of them have a gateway in a family, and why the others have none.
 * A snapshot is read at once; what it means beside what was known before is a pure function.
 */
import type { CommandRunner } from "../../lib/host/command/runner.ts";
import { findDefaultGateways } from "../../lib/host/routes/gateway/default_gateways.ts";
import { defaultGateway, isNeighbour } from "../../lib/host/routes/gateway/gateway.ts";
import { type NextHop, readRoutes } from "../../lib/host/routes/gateway/routing_table.ts";
import type { AddressFamily } from "../../lib/host/links/address.ts";
import {
  findInterface,
  listInterfaces,
  type NetworkInterface,
} from "../../lib/host/links/network_interface.ts";

export interface LinkSnapshot {
  interfaces: readonly NetworkInterface[];
  /** The next hop to everywhere, by interface. */
  gateways: Record<AddressFamily, ReadonlyMap<string, NextHop>>;
}

/** What is known of a link's gateway in one family. */
export interface KnownGateway {
  nextHop: NextHop;
  /** The kernel has forgotten it with its link; nobody has withdrawn it. */
  wentWithLink: boolean;
  /** Looks in a row that did not find it, though the link was there. */
  misses: number;
}

/**
 * The kernel may have dropped the routes of a link whose going down we have not heard of yet: for so
 * many looks a gateway is not forgotten.
 */
const MISSES_MAX = 2;

export type Way =
  | { isUsable: true; nextHop: NextHop }
  | { isUsable: false; why: string };

/** Reads links and gateways. The kernel is asked only in families that are not balanced. */
export async function readLinks(
  runner: CommandRunner,
  names: readonly string[],
  balanced: ReadonlySet<AddressFamily>,
): Promise<LinkSnapshot> {
  const before = await listInterfaces(runner);
  const links = names.flatMap((name) => findInterface(before, name) ?? []);
  const gateways = (family: AddressFamily) =>
    findDefaultGateways(runner, {
      family,
      links: links.filter(({ up, lowerUp }) => up && lowerUp),
      notFromKernel: balanced.has(family) ? new Set(names) : undefined,
    });
  const found = { 4: await gateways(4), 6: await gateways(6) };
  // Read last: routes are seen to be missing only where the link was still there after them.
  return { interfaces: await listInterfaces(runner), gateways: found };
}

/**
 * The interfaces that are uplinks by themselves. A point-to-point one may be the tunnel of a VPN: it
 * counts with a default route in the main table only. Throws CommandError.
 */
export async function findUplinks(runner: CommandRunner): Promise<string[]> {
  const links = (await listInterfaces(runner)).filter(({ loopback }) => !loopback);
  const { gateways } = await readLinks(runner, links.map(({ name }) => name), new Set());
  const found = new Set<string>();
  for (const family of [4, 6] as const) {
    const routes = (await readRoutes(runner, family)).filter(({ table }) => table === "main");
    for (const { name, pointToPoint } of links) {
      const isUplink = gateways[family].has(name) &&
        (!pointToPoint || defaultGateway(routes, name, family) !== undefined);
      if (isUplink) found.add(name);
    }
  }
  return links.map(({ name }) => name).filter((name) => found.has(name));
}

/**
 * How a link leads to everywhere, and what to remember of it. A gateway that went with its link is
 * used again when the link is back, as long as it is a neighbour and nobody names another: where
 * addresses are configured by hand, nobody does. One that goes while the link stays is withdrawn.
 */
export function wayOf(
  link: NetworkInterface | undefined,
  family: AddressFamily,
  found: NextHop | undefined,
  known: KnownGateway | null,
  wentDown: boolean,
): { way: Way; known: KnownGateway | null } {
  const kept = known === null ? null : { ...known, wentWithLink: known.wentWithLink || wentDown };
  const gone = known === null ? null : { ...known, wentWithLink: true, misses: 0 };
  const unusable = (why: string, remembered: KnownGateway | null) => ({
    way: { isUsable: false as const, why },
    known: remembered,
  });
  if (link === undefined) return unusable("is not there", gone);
  if (!link.up) return unusable("is down", gone);
  if (!link.lowerUp) return unusable("has no carrier", gone);
  if (!link.addresses.some((one) => one.family === family && one.scope === "global")) {
    return unusable(`has no IPv${family} address`, kept);
  }
  if (found !== undefined) {
    return {
      way: { isUsable: true, nextHop: found },
      known: { nextHop: found, wentWithLink: false, misses: 0 },
    };
  }
  if (kept?.wentWithLink && isNeighbour(kept.nextHop, link)) {
    return { way: { isUsable: true, nextHop: kept.nextHop }, known: kept };
  }
  const missed = kept === null || kept.misses >= MISSES_MAX
    ? null
    : { ...kept, misses: kept.misses + 1 };
  return unusable(`has no IPv${family} gateway`, kept?.wentWithLink ? kept : missed);
}

/** Global addresses of one family, of which a link may have any number: at most `max` of them. */
export function globalAddresses(
  link: NetworkInterface,
  family: AddressFamily,
  max: number,
): string[] {
  return link.addresses
    .filter((one) => one.family === family && one.scope === "global")
    .map(({ address }) => address).slice(0, max);
}
