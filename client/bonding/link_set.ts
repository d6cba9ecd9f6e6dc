/**
 * The links in use: keeps the routes to the server and the engine's paths as the links are. A link
 * that goes away loses its path at once; one that comes back, or changes its gateway or address,
 * gets a new one. Each link leads to an address of the server that it can reach, so one session has
 * paths of both families where the links differ.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import type { CommandRunner } from "../../lib/host/command/runner.ts";
import type { Engine } from "../../lib/net/engine.ts";
import type { AddressFamily } from "../../lib/host/links/address.ts";
import type { NetworkInterface } from "../../lib/host/links/network_interface.ts";
import { SerialQueue } from "../../lib/host/serial_queue.ts";
import type { LinkTables } from "../../lib/host/routes/link_tables.ts";
import type { ServerRoutes } from "../../lib/host/routes/server_routes.ts";
import type { NamedAddress } from "../control/resolve_server.ts";
import {
  type Link,
  linkIdentity,
  readLinkState,
  readSurroundings,
  sendableAddresses,
  type ServerWay,
  type Surroundings,
} from "./link_state.ts";
import { SilentWays } from "./endpoint_choice.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

/** How long until what the machine has refused is tried again, should nothing change before. */
const RETRY_AFTER_MS = 5000;

/** An address of the server. */
export interface ServerEnd extends NamedAddress {
  /** Null: it is on this machine, and no route leads to it over a link. */
  readonly routes: ServerRoutes | null;
}

interface LinkSetParts {
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
  /** The one that is prescribed, or all the interface had: one is the source of what is sent. */
  readonly addresses: readonly string[];
  /** What the interface took when it was last looked at. */
  interfaceMtu: number;
}

export class LinkSet {
  readonly #parts: LinkSetParts;
  readonly #uses = new Map<string, Use>();
  readonly #unusable = new Map<string, string>();
  /** How each link led to the server when it last did. */
  readonly #known = new Map<string, readonly ServerWay[]>();
  /** By interface, the one that was prepared. */
  readonly #prepared = new Map<string, number>();
  readonly #paths = new Map<string, Path>();
  readonly #silent = new SilentWays();
  /** Whether the last refresh could not do for a link what was due. */
  #isIncomplete = false;
  #triedMs = -Infinity;
  #port = 0;
  /** Two refreshes at once would each add what is missing. */
  readonly #queue = new SerialQueue();
  readonly #refreshNext = this.#queue.shared(() => this.#refreshChanges());
  /** The one that the next refresh makes paths for. */
  #wantedSession: number | null = null;

  constructor(parts: LinkSetParts) {
    this.#parts = parts;
  }

  /** The server's data port, for the paths made from now on. */
  setPort(port: number): void {
    this.#port = port;
  }

  /** Names of the links that lead to the server. */
  usable(): string[] {
    return this.#parts.links.map(({ name }) => name).filter((name) => this.#uses.has(name));
  }

  /** The links that lead to the server, and the address of it that each leads to. */
  ways(): { device: string; end: ServerEnd }[] {
    return this.#parts.links.flatMap(({ name, device }) => {
      const use = this.#uses.get(name);
      return use === undefined ? [] : [{ device, end: use.end }];
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

  /** By name, why the links that are not in use are not. */
  get problems(): ReadonlyMap<string, string> {
    return this.#unusable;
  }

  /** `dsl has no carrier, lte is down`. */
  describeUnusable(): string {
    return [...this.problems].map(([name, why]) => `${name} ${why}`).join(", ");
  }

  /**
   * Reads the links again and follows what has changed, for `session` if there is one. Returns
   * whether a link came, went or leads elsewhere.
   */
  refresh(session: number | null): Promise<boolean> {
    this.#wantedSession = session ?? this.#wantedSession;
    return this.#refreshNext();
  }

  /** Resolves when no refresh is under way. */
  async settled(): Promise<void> {
    await this.#queue.idle();
  }

  /**
   * Gives up addresses of the server over which links have been silent for too long, where there are
   * others to try. Returns whether there are, or something refused is due again: refresh then. `isUp`
   * says whether the path of that id works. To be called regularly.
   */
  isRefreshDue(nowMs: number, isUp: (pathId: number) => boolean): boolean {
    let isDue = this.#isIncomplete && nowMs - this.#triedMs >= RETRY_AFTER_MS;
    if (isDue || !this.#isIncomplete) this.#triedMs = nowMs;
    for (const { id, name } of this.#parts.links) {
      const use = this.#uses.get(name);
      if (use === undefined || !this.#paths.has(name) || isUp(id)) this.#silent.notSilent(name);
      else if (use.hasOtherWays && this.#silent.silentAt(name, use.end.address, nowMs)) {
        isDue = true;
      }
    }
    return isDue;
  }

  /** Removes the routes to the server. */
  async removeRoutes(): Promise<void> {
    for (const { routes } of this.#parts.ends) await routes?.removeAll();
  }

  async #refreshChanges(): Promise<boolean> {
    const session = this.#wantedSession;
    this.#wantedSession = null;
    const before = this.#describe();
    await this.#refresh(session);
    return this.#describe() !== before;
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
    this.#isIncomplete = false;
    // First what is gone: traffic waits on it.
    for (const [link, state] of states) if (!state.isUsable) this.#lose(link, state.why);
    for (const [link, state] of states) {
      if (!state.isUsable) continue;
      this.#known.set(link.name, state.ways);
      try {
        await this.#use(link, session, state.interface, state.ways, surroundings);
      } catch (error) {
        // It may have gone since it was read, or the disk be full: the others must be seen to.
        this.#isIncomplete = true;
        this.#lose(link, `cannot be used: ${error instanceof Error ? error.message : error}`);
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
    const { name, device } = link;
    const way = this.#choose(name, ways);
    const end = this.#parts.ends.find(({ address }) => address === way.server.address)!;
    if (this.#prepared.get(device) !== found.index) await this.#parts.prepare?.(device);
    this.#prepared.set(device, found.index);
    await this.#leave(link, end);
    await end.routes?.ensure(way.nextHop, routes.get(end.family));
    if (this.#unusable.delete(name)) log.info(`link ${name} is back`);
    this.#uses.set(name, { interface: found, way, end, hasOtherWays: ways.length > 1 });
    if (session !== null) this.#ensurePath(link, session);
  }

  /** Removes the route to the address in use when that is not `end`, unless another link needs it. */
  async #leave({ name, device }: Link, end: ServerEnd): Promise<void> {
    const before = this.#uses.get(name)?.end;
    if (before === undefined || before === end) return;
    this.#uses.delete(name);
    const isShared = this.ways().some((way) => way.device === device && way.end === before);
    if (!isShared) await before.routes?.remove(device);
  }

  /** The address in use is kept as long as it is reached; one that was given up comes last. */
  #choose(name: string, ways: readonly [ServerWay, ...ServerWay[]]): ServerWay {
    const gaveUp = ({ server }: ServerWay) => this.#silent.gaveUpMs(name, server.address);
    const inUse = this.#uses.get(name)?.end.address;
    return ways.reduce((best, way) => {
      if (gaveUp(way) !== gaveUp(best)) return gaveUp(way) < gaveUp(best) ? way : best;
      return way.server.address === inUse ? way : best;
    });
  }

  #ensurePath({ id, name, device, sourceAddress }: Link, session: number): void {
    const { interface: found, way, end } = this.#uses.get(name)!;
    const identity = linkIdentity(found, way);
    const addresses = sourceAddress === null
      ? sendableAddresses(found, end.family)
      : [sourceAddress];
    const path = this.#paths.get(name);
    if (path?.session === session) {
      // Addresses that are added leave the source of what is sent as it is.
      const keepsAddresses = path.addresses.every((address) => addresses.includes(address));
      // Nothing tells the engine of that, which would ask for a larger size only later.
      const takesMore = this.#parts.forbidsFragments === true && found.mtu > path.interfaceMtu;
      path.interfaceMtu = found.mtu;
      if (path.identity === identity && keepsAddresses && !takesMore) return;
      this.#dropPath(id, name);
    }
    this.#parts.engine.addPath(session, {
      id,
      name,
      device,
      server: end.address,
      port: this.#port,
      forbidsFragments: this.#parts.forbidsFragments ?? false,
      ...(sourceAddress === null ? {} : { source: sourceAddress }),
    });
    this.#paths.set(name, { session, identity, addresses, interfaceMtu: found.mtu });
  }

  #dropPath(id: number, name: string): void {
    const path = this.#paths.get(name);
    if (path === undefined) return;
    this.#parts.engine.removePath(path.session, id);
    this.#paths.delete(name);
  }
}
