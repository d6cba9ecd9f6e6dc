/**
 * The uplinks as they are: which of them have a gateway in a family, and why the others have none.
 * A snapshot is read at once; what it means beside what was known before is a pure function.
 */
import type { CommandRunner } from "../../lib/host/command/runner.ts";
import { findDefaultGateways } from "../../lib/host/routes/gateway/default_gateways.ts";
import { leadsOut } from "../../lib/host/routes/gateway/gateway.ts";
import type { NextHopMemory } from "../../lib/host/routes/gateway/next_hop_memory.ts";
import { type NextHop, readRoutes } from "../../lib/host/routes/gateway/routing_table.ts";
import type { AddressFamily } from "../../lib/host/links/address.ts";
import {
  listInterfaces,
  type NetworkInterface,
  whyAway,
} from "../../lib/host/links/network_interface.ts";

/** Fewer than this leaves nothing to balance. */
export const UPLINKS_MIN = 2;

export interface LinkSnapshot {
  interfaces: readonly NetworkInterface[];
  /** The next hop to everywhere, by interface. */
  gateways: Record<AddressFamily, ReadonlyMap<string, NextHop>>;
  /** The interfaces that are uplinks by themselves, in the kernel's order. */
  leadingOut: ReadonlySet<string>;
}

/** Where an uplink leads in one family, or why it leads nowhere. */
export type UplinkState =
  | { isUsable: true; nextHop: NextHop }
  | { isUsable: false; why: string };

/**
 * Reads links and gateways, of the interfaces `names` or of all. The kernel is asked only for named
 * ones, in families that are not balanced.
 */
export async function readLinks(
  runner: CommandRunner,
  names: readonly string[] | "all",
  balanced: ReadonlySet<AddressFamily>,
): Promise<LinkSnapshot> {
  const before = await listInterfaces(runner);
  const links = before.filter(({ name, loopback }) =>
    names === "all" ? !loopback : names.includes(name)
  );
  const present = links.filter((link) => whyAway(link) === null);
  const leadingOut = new Set<string>();
  const read = async (family: AddressFamily) => {
    const routes = await readRoutes(runner, family);
    const notFromKernel = names === "all" || balanced.has(family)
      ? new Set(present.map(({ name }) => name))
      : undefined;
    const gateways = await findDefaultGateways(runner, {
      family,
      links: present,
      notFromKernel,
      routes,
    });
    for (const link of present) {
      // A point-to-point link leads on by itself, but it may be the tunnel of a VPN.
      const isFound = link.pointToPoint ? leadsOut(link, routes, family) : gateways.has(link.name);
      if (isFound) leadingOut.add(link.name);
    }
    return gateways;
  };
  const gateways = { 4: await read(4), 6: await read(6) };
  // Read last: routes are seen to be missing only where the link was still there after them.
  return { interfaces: await listInterfaces(runner), gateways, leadingOut };
}

/** How `link` leads to everywhere: through the next hop `found` there, or that `memory` has. */
export function uplinkState(
  link: NetworkInterface | undefined,
  family: AddressFamily,
  found: NextHop | undefined,
  memory: NextHopMemory,
): UplinkState {
  const away = whyAway(link);
  if (away !== null || link === undefined) {
    memory.linkWentDown();
    return { isUsable: false, why: away ?? "" };
  }
  if (!link.addresses.some((one) => one.family === family && one.scope === "global")) {
    return { isUsable: false, why: `has no IPv${family} address` };
  }
  if (found !== undefined) memory.found(found);
  const nextHop = found ?? memory.missing(link);
  if (nextHop === undefined) return { isUsable: false, why: `has no IPv${family} gateway` };
  return { isUsable: true, nextHop };
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
