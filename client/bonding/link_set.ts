/**
 * The links in use: keeps the routes to the server and the engine's paths as the links are. A link
 * that goes away loses its path at once; one that comes, comes back, or changes its gateway or
 * address, gets a new one. Each link leads to an address of the server that it can reach, so one
 * session has paths of both families where the links differ.
 */
import { type AddressFamily, FAMILIES } from "../../lib/host/links/address.ts";
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import type { PathReport } from "../../lib/net/engine.ts";
import type { LinkTransport } from "../../lib/status/bond_status.ts";
import type { NetworkInterface } from "../../lib/host/links/network_interface.ts";
import { SerialQueue } from "../../lib/host/serial_queue.ts";
import { EndpointChoice } from "./endpoint_choice.ts";
import type { Link } from "./link_selection.ts";
import {
  type LinkRoute,
  type NextHopMemories,
  readLinkState,
  readSurroundings,
  sendableAddresses,
  type Surroundings,
} from "./link_state.ts";
import { LinkPaths } from "./link_paths.ts";
import type { BegunSession, LinkSetParts, LinkUse } from "./link_set_parts.ts";
import type { ServerEndpoint } from "./server_endpoints.ts";
import { controlRoutes } from "./control_routes.ts";
import type { ControlRoute } from "./session_request.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

/** How long until what the machine has refused is tried again, should nothing change before. */
const RETRY_AFTER_MS = 5000;

export class LinkSet {
  readonly #parts: LinkSetParts;
  readonly #paths: LinkPaths;
  readonly #uses = new Map<string, LinkUse>();
  readonly #unusable = new Map<string, string>();
  /** By link, where it leads: also where the data plane in use is not. */
  readonly #reach = new Map<string, readonly LinkRoute[]>();
  /** By link, where it led when it last did. */
  readonly #memories = new Map<string, NextHopMemories>();
  /** By interface, the one that was prepared. */
  readonly #prepared = new Map<string, number>();
  readonly #choice = new EndpointChoice();
  /** Endpoints there were at the last look. */
  #endpoints: readonly ServerEndpoint[] = [];
  /** Whether the last refresh could not read the links, or do for one of them what was due. */
  #isIncomplete = false;
  #triedMs = -Infinity;
  #hasLooked = false;
  /** The links of the last look. */
  #followed: readonly Link[] = [];
  /** Two refreshes at once would each add what is missing. */
  readonly #queue = new SerialQueue();
  readonly #refreshNext = this.#queue.shared(() => this.#refreshChanges());
  /** What the next refresh is for. */
  #wantedSession: number | null = null;
  #wentDown = new Set<string>();

  constructor(parts: LinkSetParts) {
    this.#parts = parts;
    const { engine, forbidsFragments = false, ruleOf, streams } = parts;
    this.#paths = new LinkPaths(engine, forbidsFragments, ruleOf, streams);
  }

  /** Names of the links, whether they can be used or not. */
  get names(): string[] {
    return this.#links.map(({ name }) => name);
  }

  /** What is prescribed for links may have changed. */
  applyRules(): void {
    this.#paths.applyRules();
  }

  /** The interfaces of the links, each once. */
  get devices(): string[] {
    return [...new Set(this.#links.map(({ device }) => device))];
  }

  /** The links that lead to the server: their paths' ids, their names, and the address of each. */
  usable(): { id: number; name: string; endpoint: ServerEndpoint }[] {
    return this.#links.flatMap(({ id, name }) => {
      const use = this.#uses.get(name);
      return use === undefined ? [] : [{ id, name, endpoint: use.endpoint }];
    });
  }

  /** How the server can be asked. */
  controlRoutes(): ControlRoute[] {
    const { all, keepsRoutes = false } = this.#parts.endpoints;
    const reach = this.#links.map(({ name: link }) => ({
      link,
      routes: (keepsRoutes ? this.#reach.get(link) : this.#uses.get(link)?.routes) ?? [],
    }));
    return controlRoutes(reach, all, keepsRoutes, (link) => this.#uses.get(link)?.endpoint.address);
  }

  /** Addresses of the server that are in use, as in `203.0.113.10 and 2001:db8:113::10`. */
  get serverAddresses(): string {
    const used = new Set(this.usable().map(({ endpoint }) => endpoint.address));
    return [...used].join(" and ") || (this.#parts.endpoints.all[0]?.address ?? "");
  }

  /** What the usable links carry in bytes, and by which IP version each leads to the server. */
  outerMtus(): { id: number; link: string; interfaceMtu: number; family: AddressFamily }[] {
    return this.usable().map(({ id, name: link, endpoint: { family } }) => (
      { id, link, interfaceMtu: this.#uses.get(link)!.interface.mtu, family }
    ));
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
   * From now on it is these links, by name: the next refresh makes the paths of those that join, and
   * takes those of the others away. @throws InterfaceError for what cannot be.
   */
  choose(names: readonly string[]): void {
    this.#parts.selection.choose(names);
  }

  /** A session begins: its paths are made by the next refresh. */
  begin({ session, port, isV1, granter, how }: BegunSession): void {
    this.#paths.begin(session, port, isV1);
    this.#choice.grantedBy(granter.address, how);
  }

  /** The paths of a session are the engine's business alone: it is over, or has been replaced. */
  forget(session: number): void {
    this.#paths.forget(session);
  }

  /**
   * Reads the links again and follows what has changed, with paths for `session` if there is one.
   * `wentDown` are interfaces that were seen away in the meantime: their paths end before that, since
   * reading takes several commands. Returns whether a link came, went or leads elsewhere.
   */
  refresh(session: number | null, wentDown: ReadonlySet<string> = new Set()): Promise<boolean> {
    this.#wantedSession = session ?? this.#wantedSession;
    for (const device of wentDown) this.#wentDown.add(device);
    for (const link of this.#links) if (wentDown.has(link.device)) this.#paths.drop(link);
    return this.#refreshNext();
  }

  /** Resolves when no refresh is under way. */
  async settled(): Promise<void> {
    await this.#queue.idle();
  }

  /**
   * Gives up addresses of the server over which links have been silent for too long, where there are
   * others to try. Returns whether there are, or something refused is due again: refresh then. `isUp`:
   * whether the path of that id works; null: the server holds no session, so silence says nothing of
   * paths. To be called regularly, and at once when one works.
   */
  isRefreshDue(nowMs: number, isUp: ((pathId: number) => boolean) | null): boolean {
    const { streams } = this.#parts;
    let isDue = this.#isIncomplete && nowMs - this.#triedMs >= RETRY_AFTER_MS;
    if (isDue || !this.#isIncomplete) this.#triedMs = nowMs;
    for (const link of this.#links) {
      const { id, name } = link;
      const use = this.#uses.get(name);
      if (isUp === null || use === undefined || !this.#paths.has(name)) {
        this.#choice.hasNoPath(name);
        streams?.choice.hasNoPath(name);
        continue;
      }
      const { endpoint: { address }, routes } = use;
      const hasOthers = this.#forData(routes).length > 1;
      if (this.#paths.followTransport(link, nowMs, isUp)) isDue = true;
      if (isUp(id)) this.#choice.answers(name, address);
      else if (this.#isLinkUp(id, name, isUp) && !streams!.mayTryOthers(name, nowMs)) continue;
      else if (hasOthers && this.#choice.isSilent(name, address, nowMs)) isDue = true;
    }
    if (isDue) this.#paths.applyRules();
    return isDue;
  }

  /** As LinkStreams.lookAtPaths(), of the session in use: refresh then. */
  lookAtPaths(paths: readonly PathReport[], nowMs: number): boolean {
    const streamOf = (name: string) => this.#paths.streamOf(name);
    const isDue = this.#parts.streams?.lookAtPaths(this.#links, streamOf, paths, nowMs) ?? false;
    if (isDue) this.#paths.applyRules();
    return isDue;
  }

  /** Whether that decides anything. */
  get watchesTransport(): boolean {
    return this.#parts.streams?.choice.isAutomatic ?? false;
  }

  #isLinkUp(id: number, name: string, isUp: (pathId: number) => boolean): boolean {
    return [id, this.#paths.streamOf(name)].some((one) => one !== null && isUp(one));
  }

  /** Names of the links that lead to the server, of which one path or another works. */
  answering(isUp: (pathId: number) => boolean): Set<string> {
    const up = this.usable().filter(({ id, name }) => this.#isLinkUp(id, name, isUp));
    return new Set(up.map(({ name }) => name));
  }

  /** The id by which everybody knows the link of a path, whatever its transport. */
  linkIdOf(pathId: number): number {
    const name = this.#paths.linkOfStream(pathId);
    return this.#links.find((link) => link.name === name)?.id ?? pathId;
  }

  /** What carries the data of a link. */
  transportOf(name: string): LinkTransport {
    return this.#parts.streams?.transportOf(name) ?? { transport: "udp", reason: null };
  }

  /** Whether a link has a path at present. */
  hasPath(name: string): boolean {
    return this.#paths.has(name);
  }

  /** Whether it has one inside TLS. */
  hasStream(name: string): boolean {
    return this.#paths.streamOf(name) !== null;
  }

  get #links(): readonly Link[] {
    return this.#parts.selection.links;
  }

  #endpointOf(address: string): ServerEndpoint {
    return this.#parts.endpoints.data.find((one) => one.address === address)!;
  }

  #forData(routes: readonly LinkRoute[]): readonly LinkRoute[] {
    const { data } = this.#parts.endpoints;
    return routes.filter(({ server }) => data.some(({ address }) => address === server.address));
  }

  #lackOfData(): string {
    const addresses = this.#parts.endpoints.data.map(({ address }) => address);
    return `has no gateway to ${addresses.join(" or ")}`;
  }

  async #refreshChanges(): Promise<boolean> {
    const session = this.#wantedSession;
    const wentDown = this.#wentDown;
    this.#wantedSession = null;
    this.#wentDown = new Set();
    const before = this.#describe();
    try {
      await this.#refresh(session, wentDown);
    } catch (error) {
      for (const device of wentDown) this.#wentDown.add(device);
      this.#isIncomplete = true;
      throw error;
    }
    this.#hasLooked ||= this.#endpoints.length > 0;
    return this.#describe() !== before;
  }

  #describe(): string {
    return [...this.#uses].map(([name, { interface: found, route }]) => {
      const addresses = sendableAddresses(found, route.server.family);
      return `${name} ${LinkPaths.identity(found, route)} ${addresses.join(" ")}`;
    }).sort().join(", ");
  }

  async #refresh(session: number | null, wentDown: ReadonlySet<string>): Promise<void> {
    const { runner, selection, endpoints, tables } = this.#parts;
    const surroundings = await readSurroundings(runner, FAMILIES, wentDown);
    const former = this.#endpoints;
    this.#endpoints = endpoints.both;
    for (const line of selection.follow(surroundings, this.#endpoints)) {
      log.warn("{line}", { line });
    }
    for (const link of this.#followed) {
      if (!selection.links.includes(link)) await this.#remove(link);
    }
    this.#followed = selection.links;
    if (this.#endpoints.length === 0) return;
    const states = await Promise.all(selection.links.map(async (link) => {
      const memories = this.#memories.getOrInsertComputed(link.name, () => new Map());
      const state = await readLinkState(runner, link, surroundings, this.#endpoints, memories);
      return [link, state] as const;
    }));
    this.#isIncomplete = false;
    // First what is gone: traffic waits on it.
    for (const [link, state] of states) if (!state.isUsable) this.#lose(link, state.why);
    for (const [link, state] of states) {
      if (!state.isUsable) continue;
      try {
        await this.#use(link, session, state.interface, state.routes, surroundings);
      } catch (error) {
        // It may have gone since it was read, or the disk be full: the others must be seen to.
        this.#isIncomplete = true;
        this.#lose(link, `cannot be used: ${error instanceof Error ? error.message : error}`);
      }
    }
    if (session !== null) this.#choice.settled();
    for (const endpoint of former) {
      if (this.#endpoints.some(({ routes }) => routes === endpoint.routes)) continue;
      await endpoint.routes?.removeAll();
    }
    const addresses = this.#endpoints.map(({ address }) => address);
    this.#choice.keepOnly(this.names, addresses);
    this.#parts.streams?.choice.keepOnly(this.names);
    if (tables === null) return;
    for (const error of await tables.follow(surroundings, this.devices, addresses)) {
      log.warn("cannot keep the routing tables of the links: {error}", { error });
    }
  }

  /** A link that is not wanted any more, or has made room for another one. */
  async #remove(link: Link): Promise<void> {
    const { name, device } = link;
    const use = this.#uses.get(name);
    this.#unusable.delete(name);
    this.#memories.delete(name);
    this.#reach.delete(name);
    this.#paths.drop(link);
    if (use !== undefined && !this.devices.includes(device)) {
      // Should that fail, it is tried again with the next look.
      const others = this.#parts.endpoints.keepsRoutes ? this.#endpoints : [];
      for (const { routes } of [use.endpoint, ...others]) await routes?.remove(device);
      log.info(`link ${name} is not used any more`);
    }
    this.#uses.delete(name);
  }

  #lose(link: Link, why: string): void {
    const { name } = link;
    const isTold = !this.#hasLooked && this.#parts.selection.isTold(name);
    if (this.#unusable.get(name) !== why && !isTold) log.warn(`link ${name} ${why}`);
    this.#unusable.set(name, why);
    this.#uses.delete(name);
    this.#reach.delete(name);
    this.#paths.drop(link);
  }

  async #use(
    link: Link,
    session: number | null,
    found: NetworkInterface,
    routes: readonly [LinkRoute, ...LinkRoute[]],
    surroundings: Surroundings,
  ): Promise<void> {
    const { name, device } = link;
    const [first, ...others] = this.#forData(routes);
    if (first === undefined) this.#lose(link, this.#lackOfData());
    this.#reach.set(name, routes);
    await this.#keepRoutes(routes, surroundings);
    if (first === undefined) return;
    const inUse = this.#uses.get(name)?.endpoint.address ?? null;
    const route = this.#choice.choose(name, inUse, [first, ...others]);
    const endpoint = this.#endpointOf(route.server.address);
    if (this.#prepared.get(device) !== found.index) await this.#parts.prepare?.(device);
    this.#prepared.set(device, found.index);
    await this.#leave(link, endpoint);
    await endpoint.routes?.ensure(route.nextHop, surroundings.routes.get(endpoint.family));
    const isNew = !this.#uses.has(name) && this.#hasLooked;
    if (this.#unusable.delete(name) || isNew) log.info(`link ${name} can be used now`);
    this.#uses.set(name, { interface: found, route, routes, endpoint });
    if (session === null) return;
    const stream = await this.#parts.streams?.routeOf(link, route, routes, surroundings);
    this.#paths.ensure(session, link, found, route, stream);
  }

  /** So that whichever server is asked, or moved to, is reached over the links at once. */
  async #keepRoutes(routes: readonly LinkRoute[], surroundings: Surroundings): Promise<void> {
    if (!this.#parts.endpoints.keepsRoutes) return;
    for (const { server, nextHop } of routes) {
      const endpoint = this.#endpoints.find(({ address }) => address === server.address);
      try {
        await endpoint?.routes?.ensure(nextHop, surroundings.routes.get(endpoint.family));
      } catch (error) {
        this.#isIncomplete = true;
        log.debug("no route to {server} yet: {error}", { server: server.address, error });
      }
    }
  }

  /** Removes the route to the address in use when that is another, unless another link needs it. */
  async #leave({ name, device }: Link, endpoint: ServerEndpoint): Promise<void> {
    const before = this.#uses.get(name)?.endpoint;
    if (before === undefined || before.routes === endpoint.routes) return;
    this.#uses.delete(name);
    if (this.#parts.endpoints.keepsRoutes) return;
    const isShared = this.#links.some((other) =>
      other.device === device && this.#uses.get(other.name)?.endpoint === before
    );
    if (!isShared) await before.routes?.remove(device);
  }
}
