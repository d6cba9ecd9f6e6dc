/**
 * How each of the links that are bonded leads to the server. What is read here is a snapshot; links
 * come and go, and are read again when the kernel says so.
 */
import { CommandError, type CommandRunner } from "../../lib/host/command/runner.ts";
import { findNextHop } from "../../lib/host/routes/gateway/gateway.ts";
import { NextHopMemory } from "../../lib/host/routes/gateway/next_hop_memory.ts";
import {
  type NextHop,
  readRoutes,
  type Route,
} from "../../lib/host/routes/gateway/routing_table.ts";
import { type AddressFamily, familyOf, sameAddress } from "../../lib/host/links/address.ts";
import {
  findInterface,
  type InterfaceAddress,
  listInterfaces,
  type NetworkInterface,
  whyAway,
} from "../../lib/host/links/network_interface.ts";
import type { ServerAddress } from "../control/resolve_server.ts";
import type { Link } from "./link_selection.ts";

/** How a link leads to one address of the server. */
export interface LinkRoute {
  readonly server: ServerAddress;
  readonly nextHop: NextHop;
}

/** What a link is at one moment; its routes are in the order the addresses were given. */
type LinkState =
  | {
    readonly isUsable: true;
    readonly interface: NetworkInterface;
    readonly routes: readonly [LinkRoute, ...LinkRoute[]];
  }
  | { readonly isUsable: false; readonly why: string };

/** Everything the routes of all links depend on, as it was at about one moment. */
export interface Surroundings {
  readonly interfaces: readonly NetworkInterface[];
  readonly routes: ReadonlyMap<AddressFamily, readonly Route[]>;
  /** Interfaces that were away since the last reading, also those that are back. */
  readonly wentDown: ReadonlySet<string>;
}

/** Throws CommandError when they cannot be read. */
export async function readSurroundings(
  runner: CommandRunner,
  families: readonly AddressFamily[],
  wentDown: ReadonlySet<string> = new Set(),
): Promise<Surroundings> {
  const [interfaces, ...lists] = await Promise.all([
    listInterfaces(runner),
    ...families.map((family) => readRoutes(runner, family).catch(asCommandError)),
  ]);
  const routes = new Map<AddressFamily, readonly Route[]>();
  for (const [index, family] of families.entries()) {
    const list = lists[index]!;
    if (!(list instanceof CommandError)) routes.set(family, list);
    // A kernel without IPv6 cannot list its routes.
    else if (interfaces.some(({ addresses }) => addresses.some((own) => own.family === family))) {
      throw list;
    }
  }
  return { interfaces, routes, wentDown };
}

function asCommandError(error: unknown): CommandError {
  if (error instanceof CommandError) return error;
  throw error;
}

/** The next hops of one link, by the server's address. */
export type NextHopMemories = Map<string, NextHopMemory>;

/**
 * How `link` stands now, and how it leads to each of `servers`. Next hops that went with the link are
 * guesses, which count only where there is nothing else.
 */
export async function readLinkState(
  runner: CommandRunner,
  link: Link,
  { interfaces, routes, wentDown }: Surroundings,
  servers: readonly ServerAddress[],
  memories: NextHopMemories,
): Promise<LinkState> {
  const found = findInterface(interfaces, link.device);
  const away = whyAway(found);
  if (away !== null || wentDown.has(link.device)) {
    for (const memory of memories.values()) memory.linkWentDown();
  }
  if (away !== null || found === undefined) return { isUsable: false, why: away ?? "" };
  for (const address of memories.keys()) {
    if (!servers.some((server) => server.address === address)) memories.delete(address);
  }
  const known: LinkRoute[] = [];
  const guesses: LinkRoute[] = [];
  const lacks = new Set<string>();
  for (const server of servers) {
    const lack = whatItLacks(found, link, server.family);
    if (lack !== null) {
      lacks.add(lack);
      continue;
    }
    const { address, family } = server;
    const nextHop = await findNextHop(runner, found, address, routes.get(family));
    const memory = memories.getOrInsertComputed(address, () => new NextHopMemory());
    if (nextHop !== undefined) {
      memory.found(nextHop);
      known.push({ server, nextHop });
      continue;
    }
    const before = memory.missing(found);
    if (before !== undefined) guesses.push({ server, nextHop: before });
    else lacks.add(`has no gateway to ${address}`);
  }
  const [first, ...others] = known.length > 0 ? known : guesses;
  if (first === undefined) return { isUsable: false, why: [...lacks].join(" and ") };
  return { isUsable: true, interface: found, routes: [first, ...others] };
}

/** Why packets of the family cannot be sent on `found`, or null. */
function whatItLacks(found: NetworkInterface, link: Link, family: AddressFamily): string | null {
  const own = globalAddresses(found, family).map(({ address }) => address);
  const { sourceAddress } = link;
  if (sourceAddress === null) return own.length > 0 ? null : `has no IPv${family} address`;
  if (familyOf(sourceAddress) !== family) return `cannot send IPv${family} from ${sourceAddress}`;
  return own.some((address) => sameAddress(address, sourceAddress))
    ? null
    : `does not have the address ${sourceAddress}`;
}

/**
 * Addresses of an interface that reach further than its wire: one of them is the source of what is
 * sent. Those a router has given up, which provider and server may not answer any more, count only
 * where there are no others, as the kernel chooses too (RFC 6724, rule 3).
 */
export function sendableAddresses(link: NetworkInterface, family: AddressFamily): string[] {
  const all = globalAddresses(link, family);
  const lasting = all.filter(({ isDeprecated }) => isDeprecated !== true);
  return (lasting.length > 0 ? lasting : all).map(({ address }) => address);
}

function globalAddresses(link: NetworkInterface, family: AddressFamily): InterfaceAddress[] {
  return link.addresses
    .filter((one) => one.family === family && one.isTentative !== true)
    .filter(({ scope }) => family === 4 || scope !== "link");
}
