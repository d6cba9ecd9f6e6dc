/**
 * Which interfaces are links of the bond: those the user named, whether they are there or not, or all
 * that lead out. Interfaces come, go, are renamed and made anew; each look at them may find others.
 */
import type { AddressFamily } from "../../lib/host/links/address.ts";
import {
  checkLinkName,
  findInterface,
  InterfaceError,
  namesToOffer,
  type NetworkInterface,
  requireSourceAddress,
} from "../../lib/host/links/network_interface.ts";
import { leadsOut, nextHopFor } from "../../lib/host/routes/gateway/gateway.ts";
import type { Route } from "../../lib/host/routes/gateway/routing_table.ts";
import type { ServerAddress } from "../control/resolve_server.ts";
import { BONDED_LINKS_MAX, BONDED_LINKS_MIN, type LinkChoice } from "../config/link_choice.ts";

export interface Link {
  /** The id of its path: its place in the user's order, else one that no other link has. */
  readonly id: number;
  /** For people; no two links have the same. */
  readonly name: string;
  /** Its interface, which it may share with links of other source addresses. */
  readonly device: string;
  /** The prescribed source address, or null. */
  readonly sourceAddress: string | null;
}

/** The machine at one moment, as far as the selection depends on it. */
interface Machine {
  readonly interfaces: readonly NetworkInterface[];
  /** Of all tables. */
  readonly routes: ReadonlyMap<AddressFamily, readonly Route[]>;
}

export class LinkSelection {
  #named: readonly Link[] | null;
  readonly #tunName: string;
  /** Without names: those that lead out, or did, by name. */
  readonly #found = new Map<string, Link>();
  /** Those of which check() has said what they lack. */
  readonly #told = new Set<string>();
  /** Those there was no room for at the last look. */
  #leftOut = new Set<string>();

  /** @param tunName the client's own device, which is no link. */
  constructor(choices: readonly LinkChoice[], tunName: string) {
    this.#named = choices.length === 0
      ? null
      : choices.map((choice, id) => linkOf(choice, id, choices));
    this.#tunName = tunName;
  }

  /** Whether the user has left it to us. */
  get isAutomatic(): boolean {
    return this.#named === null;
  }

  /**
   * From now on it is these links, by their names, whether they are there or not. Those that were
   * before stay as they are, with their paths. @throws InterfaceError for too few,
   * too many, or a name that cannot be one.
   */
  choose(names: readonly string[]): void {
    const wanted = [...new Set(names)];
    const kept = this.links.filter(({ name }) => wanted.includes(name));
    for (const name of wanted) {
      if (kept.some((link) => link.name === name)) continue;
      checkLinkName(name, this.#tunName);
      if (kept.some(({ device }) => device === name)) {
        throw new InterfaceError(`${name} is a link already`);
      }
    }
    if (wanted.length < BONDED_LINKS_MIN) {
      throw new InterfaceError("bonding takes two links at least: add another one before");
    }
    if (wanted.length > BONDED_LINKS_MAX) {
      throw new InterfaceError(
        `bonding takes at most ${BONDED_LINKS_MAX} links: remove one before`,
      );
    }
    const taken = new Set(kept.map(({ id }) => id));
    const freeId = () => {
      for (let id = 0;; id++) if (!taken.has(id)) return taken.add(id), id;
    };
    this.#named = wanted.map((name) =>
      kept.find((link) => link.name === name) ??
        { id: freeId(), name, device: name, sourceAddress: null }
    );
  }

  /** Whether check() has said already what the link of that name lacks. */
  isTold(name: string): boolean {
    return this.#told.has(name);
  }

  /** As of the last look. */
  get links(): readonly Link[] {
    return this.#named ?? [...this.#found.values()];
  }

  /**
   * Whether there is something to bond: links that are named may come later, others have to be there,
   * if not working. Returns warnings to show to the user. @throws InterfaceError
   */
  check({ interfaces, routes }: Machine): string[] {
    if (this.#named !== null) {
      const others = interfaces.filter((one) => this.#isCandidate(one));
      return this.#named.flatMap((link) => {
        const warning = warningOf(link, others);
        if (warning !== null) this.#told.add(link.name);
        return warning ?? [];
      });
    }
    const present = interfaces.filter((one) =>
      this.#isCandidate(one) && (!one.pointToPoint || isUplink(one, routes))
    );
    if (present.length >= BONDED_LINKS_MIN) return [];
    throw new InterfaceError(
      `bonding needs at least two interfaces, and this machine has: ` +
        `${
          present.map(({ name }) => name).join(", ") || "none"
        }; plug one in, or name with -ifaces ` +
        "those that will come",
    );
  }

  /**
   * Takes in the interfaces as they are. Without names, those join that lead to everywhere or to one
   * of `servers`; one that did stays, and makes room only when it is gone and another needs it.
   * Returns warnings to show to the user.
   */
  follow({ interfaces, routes }: Machine, servers: readonly ServerAddress[]): string[] {
    if (this.#named !== null) return [];
    const warnings: string[] = [];
    const before = this.#leftOut;
    this.#leftOut = new Set();
    for (const one of interfaces) {
      if (this.#found.has(one.name) || !this.#isCandidate(one)) continue;
      if (!isUplink(one, routes) && !leadsTo(one, servers, routes)) continue;
      const id = this.#freeId(interfaces);
      if (id === null) {
        this.#leftOut.add(one.name);
        if (before.has(one.name)) continue;
        warnings.push(
          `${one.name} is left out: bonding takes at most ${BONDED_LINKS_MAX} links; name those to ` +
            "be used with -ifaces",
        );
        continue;
      }
      const { name } = one;
      this.#found.set(name, { id, name, device: name, sourceAddress: null });
    }
    return warnings;
  }

  #isCandidate({ name, loopback }: NetworkInterface): boolean {
    return !loopback && name !== this.#tunName;
  }

  /** Null when all are taken by interfaces that are there. */
  #freeId(interfaces: readonly NetworkInterface[]): number | null {
    const taken = new Set(this.links.map(({ id }) => id));
    for (let id = 0; id < BONDED_LINKS_MAX; id++) if (!taken.has(id)) return id;
    const gone = this.links.find(({ device }) => findInterface(interfaces, device) === undefined);
    if (gone === undefined) return null;
    this.#found.delete(gone.name);
    return gone.id;
  }
}

type Routes = Machine["routes"];

function isUplink(one: NetworkInterface, routes: Routes): boolean {
  return [...routes].some(([family, list]) => leadsOut(one, list, family));
}

/** A point-to-point interface may be the tunnel of a VPN, whatever it leads to. */
function leadsTo(
  { name, pointToPoint }: NetworkInterface,
  servers: readonly ServerAddress[],
  routes: Routes,
): boolean {
  return !pointToPoint &&
    servers.some(({ address, family }) =>
      nextHopFor(routes.get(family) ?? [], name, address) !== undefined
    );
}

function linkOf(
  { interfaceName: device, sourceAddress }: LinkChoice,
  id: number,
  choices: readonly LinkChoice[],
): Link {
  const isShared = choices.some((other, at) => at !== id && other.interfaceName === device);
  const name = isShared ? `${device} (${sourceAddress ?? "any address"})` : device;
  return { id, name, device, sourceAddress };
}

/** What the link lacks of what the user named, or null. `interfaces`: those that may be links. */
function warningOf(
  { device, sourceAddress }: Link,
  interfaces: readonly NetworkInterface[],
): string | null {
  const found = findInterface(interfaces, device);
  if (found === undefined) {
    return `link ${device} is not there: it is used when it comes; this machine has: ` +
      namesToOffer(interfaces);
  }
  try {
    if (sourceAddress !== null) requireSourceAddress(found, sourceAddress);
    return null;
  } catch (error) {
    if (!(error instanceof InterfaceError)) throw error;
    return `${error.message}; the link is used when it has the address`;
  }
}
