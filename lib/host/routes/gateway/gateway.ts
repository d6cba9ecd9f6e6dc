/**
 * Finds how a server is reached over one given link: through which gateway, or straight onto the
 * wire. The answer comes from the routes that are there, of any table, so that it is also right for
 * a link that does not hold the machine's default route.
 */
import { CommandError, type CommandRunner } from "../../command/runner.ts";
import { type AddressFamily, familyOf, hostPrefix, prefixContains } from "../../links/address.ts";
import type { NetworkInterface } from "../../links/network_interface.ts";
import { askKernel, type NextHop, OWN_PROTOCOL, readRoutes, type Route } from "./routing_table.ts";

/**
 * The next hop of the most specific of `routes` that leads to `address` on `device`; the main table
 * goes before others, a low metric before a high one. Routes to the address alone do not count, nor
 * those of our own tables: they may be of a gateway that has changed since.
 */
export function nextHopFor(
  routes: readonly Route[],
  device: string,
  address: string,
): NextHop | undefined {
  const host = hostPrefix(address);
  const fitting = routes.flatMap((route) => {
    if (route.destination === address || route.destination === host) return [];
    if (route.protocol === OWN_PROTOCOL) return [];
    if (!prefixContains(route.destination, address)) return [];
    const hop = route.nextHops.find((candidate) => candidate.device === device);
    return hop === undefined ? [] : [{ route, hop }];
  });
  fitting.sort((a, b) =>
    rank(a.route) - rank(b.route) ||
    prefixLength(b.route.destination) - prefixLength(a.route.destination) ||
    a.route.metric - b.route.metric
  );
  return fitting[0]?.hop;
}

/** The gateway of a device's default route for one family, if it has one. */
export function defaultGateway(
  routes: readonly Route[],
  device: string,
  family: AddressFamily,
): NextHop | undefined {
  // Any address no more specific route can contain stands for the whole Internet.
  const defaults = routes.filter((route) => prefixLength(route.destination) === 0);
  return nextHopFor(defaults, device, family === 4 ? "192.0.2.1" : "2001:db8::1");
}

/**
 * Whether an interface leads to everywhere. A point-to-point one may be the tunnel of a VPN, so it
 * counts with a default route in the main table only. `routes` are those of the family in all tables.
 */
export function leadsOut(
  { name, pointToPoint }: NetworkInterface,
  routes: readonly Route[],
  family: AddressFamily,
): boolean {
  const counted = pointToPoint ? routes.filter(({ table }) => table === "main") : routes;
  return defaultGateway(counted, name, family) !== undefined;
}

/** Whether a link as it is leads to this next hop: nobody may have withdrawn it, or asked again. */
export function isNeighbour({ gateway }: NextHop, { addresses }: NetworkInterface): boolean {
  return gateway === undefined || gateway.onlink ||
    addresses.some(({ address, prefixLength }) =>
      prefixContains(`${address}/${prefixLength}`, gateway.address)
    );
}

/**
 * How `server` is reached over `link`, or undefined when no route of the link leads there. `routes`
 * are those of the server's family in all tables, for who has read them already.
 * Throws CommandError when the routes cannot be read.
 */
export async function findNextHop(
  runner: CommandRunner,
  link: NetworkInterface,
  server: string,
  routes?: readonly Route[],
): Promise<NextHop | undefined> {
  const family = familyOf(server);
  const known = nextHopFor(routes ?? await readRoutes(runner, family), link.name, server);
  if (link.pointToPoint) {
    const source = known?.source;
    return { device: link.name, gateway: undefined, ...source === undefined ? {} : { source } };
  }
  if (known !== undefined) return known;

  const asked = await askKernel(runner, family, server, link.name).catch((error) => {
    if (error instanceof CommandError) return undefined; // no route at all
    throw error;
  });
  // Without any route the kernel takes a bound socket's word that the address is on the wire.
  return asked?.device === link.name && asked.gateway !== undefined ? asked : undefined;
}

function rank(route: Route): number {
  return route.table === "main" ? 0 : 1;
}

/** In bits: 24 of 10.8.0.0/24; the routes of single addresses have the greatest. */
export function prefixLength(destination: string): number {
  const length = destination.split("/")[1];
  return length === undefined ? 128 : Number(length);
}
