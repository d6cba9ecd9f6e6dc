/**
 * The links a client bonds: interfaces of this machine, each with its way to the server. What is
 * read here is a snapshot; links come and go, and are read again when the kernel says so.
 */
import { CommandError, type CommandRunner } from "../../lib/host/command/runner.ts";
import { findNextHop, isNeighbour } from "../../lib/host/routes/gateway/gateway.ts";
import {
  type NextHop,
  readRoutes,
  type Route,
} from "../../lib/host/routes/gateway/routing_table.ts";
import { type AddressFamily, familyOf, sameAddress } from "../../lib/host/links/address.ts";
import {
  findInterface,
  type InterfaceAddress,
  InterfaceError,
  linkCandidates,
  listInterfaces,
  type NetworkInterface,
  requireInterface,
  requireSourceAddress,
} from "../../lib/host/links/network_interface.ts";
import type { ServerAddress } from "../control/resolve_server.ts";
import { BONDED_LINKS_MAX, BONDED_LINKS_MIN, type LinkChoice } from "../config/link_choice.ts";

export interface Link {
  /** Place in the user's order: the id of its path. */
  readonly id: number;
  /** For people; no two links have the same. */
  readonly name: string;
  /** Its interface, which it may share with links of other source addresses. */
  readonly device: string;
  /** The prescribed source address, or null. */
  readonly sourceAddress: string | null;
}

/** How a link leads to one address of the server. */
export interface ServerWay {
  readonly server: ServerAddress;
  readonly nextHop: NextHop;
}

/** What a link is at one moment; the ways are in the order the addresses were given. */
type LinkState =
  | {
    readonly isUsable: true;
    readonly interface: NetworkInterface;
    readonly ways: readonly [ServerWay, ...ServerWay[]];
  }
  | { readonly isUsable: false; readonly why: string };

/**
 * The links the user named, or all that could carry traffic.
 * @throws InterfaceError: no such interface, a foreign source address, too few links or too many.
 */
export function chooseLinks(
  choices: readonly LinkChoice[],
  interfaces: readonly NetworkInterface[],
  tunName: string,
): Link[] {
  if (choices.length > 0) {
    return choices.map(({ interfaceName, sourceAddress }, id) => {
      const found = requireInterface(interfaces, interfaceName);
      if (sourceAddress !== null) requireSourceAddress(found, sourceAddress);
      const isShared = choices.some((other, at) => at !== id && other.interfaceName === found.name);
      const name = isShared ? `${found.name} (${sourceAddress ?? "any address"})` : found.name;
      return { id, name, device: found.name, sourceAddress };
    });
  }
  const candidates = linkCandidates(interfaces, tunName);
  const usable = candidates.filter(({ unusable }) => unusable === null);
  if (usable.length < BONDED_LINKS_MIN) {
    const seen = candidates.map(({ link, unusable }) =>
      unusable === null ? link.name : `${link.name} (${unusable})`
    );
    throw new InterfaceError(
      `bonding needs at least two interfaces that work, and this machine has: ` +
        `${seen.join(", ") || "none"}; plug one in, or name them with -ifaces`,
    );
  }
  if (usable.length > BONDED_LINKS_MAX) {
    throw new InterfaceError(
      `bonding takes at most ${BONDED_LINKS_MAX} interfaces, and ${usable.length} of this machine ` +
        "work; name those to be used with -ifaces",
    );
  }
  return usable.map(({ link: { name } }, id) => ({ id, name, device: name, sourceAddress: null }));
}

/** Everything the ways of all links depend on, as it was at about one moment. */
export interface Surroundings {
  readonly interfaces: readonly NetworkInterface[];
  readonly routes: ReadonlyMap<AddressFamily, readonly Route[]>;
}

/** Throws CommandError when they cannot be read. */
export async function readSurroundings(
  runner: CommandRunner,
  families: readonly AddressFamily[],
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
  return { interfaces, routes };
}

function asCommandError(error: unknown): CommandError {
  if (error instanceof CommandError) return error;
  throw error;
}

/**
 * How `link` stands now, as a way to any of `servers`. `known` are the ways it had before: the kernel
 * forgets the routes of a link that goes down, and where nobody gives it new ones when it is back,
 * the old gateway is still the best guess as long as it is a neighbour.
 */
export async function readLinkState(
  runner: CommandRunner,
  link: Link,
  { interfaces, routes }: Surroundings,
  servers: readonly ServerAddress[],
  known: readonly ServerWay[] = [],
): Promise<LinkState> {
  const found = findInterface(interfaces, link.device);
  if (found === undefined) return { isUsable: false, why: "is not there" };
  if (!found.up) return { isUsable: false, why: "is down" };
  if (!found.lowerUp) return { isUsable: false, why: "has no carrier" };
  const ways: ServerWay[] = [];
  const guesses: ServerWay[] = [];
  const lacks = new Set<string>();
  for (const server of servers) {
    const lack = whatItLacks(found, link, server.family);
    if (lack !== null) {
      lacks.add(lack);
      continue;
    }
    const { address, family } = server;
    const nextHop = await findNextHop(runner, found, address, routes.get(family));
    const before = known.find((way) => way.server.address === address)?.nextHop;
    if (nextHop !== undefined) ways.push({ server, nextHop });
    else if (before !== undefined && isNeighbour(before, found)) {
      guesses.push({ server, nextHop: before });
    } else lacks.add(`has no gateway to ${address}`);
  }
  const [first, ...others] = ways.length > 0 ? ways : guesses;
  if (first === undefined) return { isUsable: false, why: [...lacks].join(" and ") };
  return { isUsable: true, interface: found, ways: [first, ...others] };
}

/** Why packets of the family cannot be sent on `found`, or null. */
function whatItLacks(found: NetworkInterface, link: Link, family: AddressFamily): string | null {
  const own = globalAddresses(found, family).map(({ address }) => address);
  const { sourceAddress } = link;
  if (sourceAddress === null) return own.length > 0 ? null : `has no IPv${family} address`;
  if (familyOf(sourceAddress) !== family) return `cannot send IPv${family} from ${sourceAddress}`;
  return own.some((address) => sameAddress(address, sourceAddress))
    ? null
    : `no longer has the address ${sourceAddress}`;
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

/** Where one use of a link leads: when it changes, sockets have to be made anew. */
export function linkIdentity(link: NetworkInterface, { server, nextHop }: ServerWay): string {
  return `${link.index} to ${server.address} via ${nextHop.gateway?.address ?? "no gateway"}`;
}
