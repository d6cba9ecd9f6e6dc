/**
 * The links in use: keeps the routes to the server and the engine's paths as the links are. A link
 * that goes away loses its path at once; one that comes back, or changes its gateway or address,
 * gets a new one. Each link leads to an address of the server that it can reach, so one session has
 * paths of both families where the links differ.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import { CommandError, type CommandRunner } from "../../lib/net/command/runner.ts";
import type { Engine } from "../../lib/net/engine/engine.ts";
import type { AddressFamily } from "../../lib/net/interface/address.ts";
import type { NetworkInterface } from "../../lib/net/interface/network_interface.ts";
import type { LinkTables } from "../../lib/net/route/link_tables.ts";
import type { ServerRoutes } from "../../lib/net/route/server_routes.ts";
import type { NamedAddress } from "../control/resolve_server.ts";
import {
  type Link,
  linkIdentity,
  readLinkState,
  readSurroundings,
  sendableAddresses,
  type ServerWay,
  type Surroundings,
} from "./links.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

/** A path that is not up for so long is tried over another address of the server. */
export const OTHER_ADDRESS_AFTER_MS = 5000;

/** An address of the server. */
export interface ServerEnd extends NamedAddress {
  /** Null: it is on this machine, and no route leads to it over a link. */
  readonly routes: ServerRoutes | null;
}

export interface LinkSetParts {
  readonly runner: CommandRunner;
  readonly engine: Pick<Engine, "addPath" | "removePath">;
  readonly links: readonly Link[];
  /** Addresses of one server, the best first. */
  readonly ends: readonly ServerEnd[];
  /** Null: links have no routing tables of their own. */
  readonly tables: LinkTables | null;
  /** Called before an interface is used that has not been there before. */
  readonly prepare?: (name: string) => Promise<void>;
  /** Whether what is too large for a path is lost rather than fragmented. */
  readonly forbidsFragments?: boolean;
}

/** A link that leads to the server, and how. */
interface Use {
  readonly interface: NetworkInterface;
  readonly way: ServerWay;
  readonly end: ServerEnd;
  /** Whether another address of the server could be used. */
  readonly hasOtherWays: boolean;
}

interface Path {
  readonly session: number;
  readonly identity: string;
  /** Those the interface had, one of which is the source of what is sent. */
  readonly addresses: readonly string[];
}

export class LinkSet {
  readonly #parts: LinkSetParts;
  readonly #uses = new Map<string, Use>();
  /** Why the links that are not in use are not. */
  readonly #unusable = new Map<string, string>();
  /** How each link led to the server when it last did. */
  readonly #known = new Map<string, readonly ServerWay[]>();
  readonly #indexes = new Map<string, number>();
  readonly #paths = new Map<string, Path>();
  /** When a path over this link to this address was last given up, by both. */
  readonly #gaveUpMs = new Map<string, number>();
  /** Since when a link's path is not up. */
  readonly #silentSinceMs = new Map<string, number>();
  #port = 0;
  /** Refreshes are done one after the other: two at once would each add what is missing. */
  #turn: Promise<unknown> = Promise.resolve();
  /** One that has not begun yet: it will see what others ask for in the meantime. */
  #next: { session: number | null; done: Promise<boolean> } | null = null;

  constructor(parts: LinkSetParts) {
    this.#parts = parts;
  }

  /** The server's data port, for the paths made from now on. */
  setPort(port: number): void {
    this.#port = port;
  }

  /** Names of the links that lead to the server. */
  usable(): string[] {
    return this.ways().map(({ device }) => device);
  }

  /** The links that lead to the server, and the address of it that each leads to. */
  ways(): { device: string; end: ServerEnd }[] {
    return this.#parts.links.flatMap(({ name }) => {
      const use = this.#uses.get(name);
      return use === undefined ? [] : [{ device: name, end: use.end }];
    });
  }

  /** What the usable links carry in bytes, and by which IP version each leads to the server. */
  outerMtus(): { id: number; link: string; interfaceMtu: number; family: AddressFamily }[] {
    return this.#parts.links.flatMap(({ id, name }) => {
      const use = this.#uses.get(name);
      if (use === undefined) return [];
      return [{ id, link: name, interfaceMtu: use.interface.mtu, family: use.end.family }];
    });
  }

  /** `dsl has no carrier, lte is down`. */
  describeUnusable(): string {
    return this.#parts.links.flatMap(({ name }) => {
      const why = this.#unusable.get(name);
      return why === undefined ? [] : [`${name} ${why}`];
    }).join(", ");
  }

  /**
   * Reads the links again and follows what has changed, for `session` if there is one. Returns
   * whether a link came, went or leads elsewhere.
   */
  refresh(session: number | null): Promise<boolean> {
    if (this.#next !== null) {
      this.#next.session = session ?? this.#next.session;
      return this.#next.done;
    }
    const next = { session, done: Promise.resolve(false) };
    next.done = this.#turn.then(async () => {
      this.#next = null;
      const before = this.#describe();
      await this.#refresh(next.session);
      return this.#describe() !== before;
    });
    this.#turn = next.done.catch(() => {});
    this.#next = next;
    return next.done;
  }

  /**
   * Gives up addresses of the server over which links have been silent for
   * {@link OTHER_ADDRESS_AFTER_MS}, where there are others to try. Returns whether there are: refresh
   * then. `isUp` says whether the path of that id works.
   */
  giveUpSilent(nowMs: number, isUp: (pathId: number) => boolean): boolean {
    let isAny = false;
    for (const { id, name } of this.#parts.links) {
      const use = this.#uses.get(name);
      if (use === undefined || !this.#paths.has(name) || isUp(id)) {
        this.#silentSinceMs.delete(name);
        continue;
      }
      const sinceMs = this.#silentSinceMs.get(name);
      if (sinceMs === undefined) this.#silentSinceMs.set(name, nowMs);
      else if (use.hasOtherWays && nowMs - sinceMs >= OTHER_ADDRESS_AFTER_MS) {
        this.#gaveUpMs.set(`${name} ${use.end.address}`, nowMs);
        this.#silentSinceMs.delete(name);
        isAny = true;
      }
    }
    return isAny;
  }

  /** Removes the routes to the server. */
  async removeRoutes(): Promise<void> {
    for (const { routes } of this.#parts.ends) await routes?.removeAll();
  }

  #describe(): string {
    return [...this.#uses].map(([name, { interface: found, way }]) => {
      const addresses = sendableAddresses(found, way.server.family);
      return `${name} ${linkIdentity(found, way)} ${addresses.join(" ")}`;
    }).sort().join(", ");
  }

  async #refresh(session: number | null): Promise<void> {
    const { runner, links, ends, tables } = this.#parts;
    const families = tables === null
      ? [...new Set(ends.map(({ family }) => family))]
      : [4, 6] as const;
    const surroundings = await readSurroundings(runner, families);
    const states = await Promise.all(links.map(async (link) => {
      const known = this.#known.get(link.name);
      return [link, await readLinkState(runner, link, surroundings, ends, known)] as const;
    }));
    // First what is gone: traffic waits on it.
    for (const [link, state] of states) if (!state.isUsable) this.#lose(link, state.why);
    for (const [link, state] of states) {
      if (!state.isUsable) continue;
      this.#known.set(link.name, state.ways);
      try {
        await this.#use(link, session, state.interface, state.ways, surroundings);
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        this.#lose(link, `cannot be routed over: ${error.message}`);
      }
    }
    if (tables === null) return;
    for (const error of await tables.follow(surroundings, ends.map(({ address }) => address))) {
      log.warn("cannot keep the routing tables of the links: {error}", { error });
    }
  }

  #lose({ id, name }: Link, why: string): void {
    if (this.#unusable.get(name) !== why) log.warn(`link ${name} ${why}`);
    this.#unusable.set(name, why);
    this.#uses.delete(name);
    this.#dropPath(id, name);
  }

  async #use(
    link: Link,
    session: number | null,
    found: NetworkInterface,
    ways: readonly [ServerWay, ...ServerWay[]],
    { routes }: Surroundings,
  ): Promise<void> {
    const { name } = link;
    const way = this.#choose(name, ways);
    const end = this.#parts.ends.find(({ address }) => address === way.server.address)!;
    if (this.#indexes.get(name) !== found.index) await this.#parts.prepare?.(name);
    this.#indexes.set(name, found.index);
    const before = this.#uses.get(name)?.end;
    if (before !== undefined && before !== end) await before.routes?.remove(name);
    await end.routes?.ensure(way.nextHop, routes.get(end.family));
    if (this.#unusable.delete(name)) log.info(`link ${name} is back`);
    this.#uses.set(name, { interface: found, way, end, hasOtherWays: ways.length > 1 });
    if (session !== null) this.#ensurePath(link, session);
  }

  /** The address in use is kept as long as it is reached; one that was given up comes last. */
  #choose(name: string, ways: readonly [ServerWay, ...ServerWay[]]): ServerWay {
    const gaveUp = ({ server }: ServerWay) =>
      this.#gaveUpMs.get(`${name} ${server.address}`) ?? -Infinity;
    const inUse = this.#uses.get(name)?.end.address;
    return ways.reduce((best, way) => {
      if (gaveUp(way) !== gaveUp(best)) return gaveUp(way) < gaveUp(best) ? way : best;
      return way.server.address === inUse ? way : best;
    });
  }

  #ensurePath({ id, name, sourceAddress }: Link, session: number): void {
    const { interface: found, way, end } = this.#uses.get(name)!;
    const identity = linkIdentity(found, way);
    const addresses = sendableAddresses(found, end.family);
    const path = this.#paths.get(name);
    if (path?.session === session) {
      // Addresses that are added leave the source of what is sent as it is.
      const keepsAddresses = path.addresses.every((address) => addresses.includes(address));
      if (path.identity === identity && keepsAddresses) return;
      this.#dropPath(id, name);
    }
    try {
      this.#parts.engine.addPath(session, {
        id,
        name,
        device: name,
        server: end.address,
        port: this.#port,
        forbidsFragments: this.#parts.forbidsFragments ?? false,
        ...(sourceAddress === null ? {} : { source: sourceAddress }),
      });
      this.#paths.set(name, { session, identity, addresses });
    } catch (error) {
      log.warn("cannot use link {name}: {error}", { name, error });
    }
  }

  #dropPath(id: number, name: string): void {
    const path = this.#paths.get(name);
    if (path === undefined) return;
    this.#parts.engine.removePath(path.session, id);
    this.#paths.delete(name);
  }
}
