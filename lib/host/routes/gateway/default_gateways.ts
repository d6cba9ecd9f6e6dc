import { CommandError, type CommandRunner } from "../../command/runner.ts";
import type { AddressFamily } from "../../links/address.ts";
import type { NetworkInterface } from "../../links/network_interface.ts";
import { defaultGateway } from "./gateway.ts";
import { askKernel, type NextHop, readRoutes, type Route } from "./routing_table.ts";

/** Any address that only default routes lead to (RFC 5737, RFC 3849). */
const ELSEWHERE = { 4: "192.0.2.1", 6: "2001:db8::1" } as const;

interface GatewayQuestion {
  family: AddressFamily;
  links: readonly NetworkInterface[];
  /** Links whose gateway only others can know: the kernel would answer with our own routes. */
  notFromKernel?: ReadonlySet<string>;
  /** Those of the family in all tables, for who has read them already. */
  routes?: readonly Route[];
}

/**
 * The next hop to everywhere over each link, by the link's name: of its default route in any table,
 * unless it is our own, else as the kernel says; a link that has one other end needs no gateway. Links
 * without are left out. Throws CommandError when the routes cannot be read.
 */
export async function findDefaultGateways(
  runner: CommandRunner,
  { family, links, notFromKernel, routes: given }: GatewayQuestion,
): Promise<Map<string, NextHop>> {
  const routes = given ?? await readRoutes(runner, family);
  const found = new Map<string, NextHop>();
  for (const link of links) {
    const { name } = link;
    const known = defaultGateway(routes, name, family) ??
      (notFromKernel?.has(name) ? undefined : await ask(runner, family, name));
    // A default route without a gateway is a way too: modems that are no Ethernet have such ones.
    if (known !== undefined) found.set(name, known);
    else if (link.pointToPoint && hasAddress(link, family)) {
      found.set(name, { device: name, gateway: undefined });
    }
  }
  return found;
}

async function ask(
  runner: CommandRunner,
  family: AddressFamily,
  device: string,
): Promise<NextHop | undefined> {
  try {
    const answer = await askKernel(runner, family, ELSEWHERE[family], device);
    // Without any route the kernel takes a bound socket's word that the address is on the wire.
    return answer?.device === device && answer.gateway !== undefined ? answer : undefined;
  } catch (error) {
    if (error instanceof CommandError) return undefined; // no route at all
    throw error;
  }
}

function hasAddress(link: NetworkInterface, family: AddressFamily): boolean {
  return link.addresses.some((one) => one.family === family && one.scope === "global");
}
