/**
 * The uplinks as they are: which of them have a gateway in a family, and why the others have none.
 * A snapshot is read at once; what it means beside what was known before is a pure function.
 */
import type { CommandRunner } from "../../lib/host/command/runner.ts";
import { findDefaultGateways } from "../../lib/host/routes/gateway/default_gateways.ts";
import { defaultGateway } from "../../lib/host/routes/gateway/gateway.ts";
import type { NextHopMemory } from "../../lib/host/routes/gateway/next_hop_memory.ts";
import { type NextHop, readRoutes } from "../../lib/host/routes/gateway/routing_table.ts";
import type { AddressFamily } from "../../lib/host/links/address.ts";
import {
  findInterface,
  listInterfaces,
  type NetworkInterface,
  whyAway,
} from "../../lib/host/links/network_interface.ts";

export interface LinkSnapshot {
  interfaces: readonly NetworkInterface[];
  /** The next hop to everywhere, by interface. */
  gateways: Record<AddressFamily, ReadonlyMap<string, NextHop>>;
}

/** Where an uplink leads in one family, or why it leads nowhere. */
export type UplinkState =
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
