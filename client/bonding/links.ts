/**
 * The links a client bonds: interfaces of this machine, each with its way to the server. What is
 * read here is a snapshot; links come and go, and are read again when the kernel says so.
 */
import type { CommandRunner } from "../../lib/net/command/runner.ts";
import { findNextHop } from "../../lib/net/gateway/gateway.ts";
import type { NextHop } from "../../lib/net/gateway/routing_table.ts";
import { familyOf, prefixContains } from "../../lib/net/interface/address.ts";
import {
  findInterface,
  InterfaceError,
  linkCandidates,
  type NetworkInterface,
  requireInterface,
  requireSourceAddress,
} from "../../lib/net/interface/network_interface.ts";
import { BONDED_LINKS_MIN, type LinkChoice } from "../options.ts";

export interface Link {
  /** Place in the user's order: the id of its path. */
  readonly id: number;
  readonly name: string;
  /** The prescribed source address, or null. */
  readonly sourceAddress: string | null;
}

/** What a link is at one moment. */
export type LinkState =
  | { readonly isUsable: true; readonly interface: NetworkInterface; readonly nextHop: NextHop }
  | { readonly isUsable: false; readonly why: string };

/**
 * The links the user named, or all that could carry traffic.
 * @throws InterfaceError: no such interface, a foreign source address, fewer than two links.
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
      return { id, name: interfaceName, sourceAddress };
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
  return usable.map(({ link }, id) => ({ id, name: link.name, sourceAddress: null }));
}

/**
 * How `link` stands now, as a way to `server`. `known` is the way it had before: the kernel forgets
 * the routes of a link that goes down, and where nobody gives it new ones when it is back, the old
 * gateway is still the best guess as long as it is a neighbour.
 */
export async function readLinkState(
  runner: CommandRunner,
  link: Link,
  interfaces: readonly NetworkInterface[],
  server: string,
  known: NextHop | undefined,
): Promise<LinkState> {
  const found = findInterface(interfaces, link.name);
  if (found === undefined) return { isUsable: false, why: "is not there" };
  if (!found.up) return { isUsable: false, why: "is down" };
  if (!found.lowerUp) return { isUsable: false, why: "has no carrier" };
  const family = familyOf(server);
  if (!found.addresses.some((address) => address.family === family)) {
    return { isUsable: false, why: `has no IPv${family} address` };
  }
  const nextHop = await findNextHop(runner, found, server) ??
    (known !== undefined && isNeighbour(known, found) ? known : undefined);
  if (nextHop === undefined) return { isUsable: false, why: `has no gateway to ${server}` };
  return { isUsable: true, interface: found, nextHop };
}

function isNeighbour({ gateway }: NextHop, { addresses }: NetworkInterface): boolean {
  return gateway === undefined || gateway.onlink ||
    addresses.some(({ address, prefixLength }) =>
      prefixContains(`${address}/${prefixLength}`, gateway.address)
    );
}

/** What tells one use of a link from another: when it changes, sockets have to be made anew. */
export function linkIdentity(state: LinkState & { isUsable: true }): string {
  const addresses = state.interface.addresses.map(({ address }) => address).sort();
  return [state.interface.index, state.nextHop.gateway?.address ?? "on link", ...addresses].join(
    " ",
  );
}
