/**
 * The links in use: keeps the routes to the server and the engine's paths as the links are. A link
 * that goes away loses its path at once; one that comes back, or changes its gateway or address,
 * gets a new one.
 */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../../lib/cli/log.ts";
import type { CommandRunner } from "../../lib/net/command/runner.ts";
import type { Engine } from "../../lib/net/engine/engine.ts";
import type { NextHop } from "../../lib/net/gateway/routing_table.ts";
import { listInterfaces } from "../../lib/net/interface/network_interface.ts";
import type { ServerRoutes } from "../../lib/net/route/server_routes.ts";
import type { ServerAddress } from "../control/resolve_server.ts";
import { type Link, linkIdentity, type LinkState, readLinkState } from "./links.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

interface Path {
  readonly session: number;
  readonly identity: string;
}

export class LinkSet {
  readonly #runner: CommandRunner;
  readonly #engine: Pick<Engine, "addPath" | "removePath">;
  readonly #routes: ServerRoutes | null;
  readonly #links: readonly Link[];
  readonly #server: ServerAddress;
  readonly #states = new Map<string, LinkState>();
  /** How each link led to the server when it last did. */
  readonly #nextHops = new Map<string, NextHop>();
  readonly #paths = new Map<string, Path>();
  #port = 0;
  /** Refreshes are done one after the other: two at once would each add what is missing. */
  #turn: Promise<void> = Promise.resolve();

  constructor(
    runner: CommandRunner,
    engine: Pick<Engine, "addPath" | "removePath">,
    routes: ServerRoutes | null,
    links: readonly Link[],
    server: ServerAddress,
  ) {
    this.#runner = runner;
    this.#engine = engine;
    this.#routes = routes;
    this.#links = links;
    this.#server = server;
  }

  /** The server's data port, for the paths made from now on. */
  setPort(port: number): void {
    this.#port = port;
  }

  /** Names of the links that lead to the server. */
  usable(): string[] {
    return this.#links.map(({ name }) => name)
      .filter((name) => this.#states.get(name)?.isUsable === true);
  }

  /** The MTUs of the usable links. */
  mtus(): number[] {
    return [...this.#states.values()].flatMap((state) =>
      state.isUsable ? [state.interface.mtu] : []
    );
  }

  /** `dsl has no carrier, lte is down`. */
  describeUnusable(): string {
    return this.#links.flatMap(({ name }) => {
      const state = this.#states.get(name);
      return state === undefined || state.isUsable ? [] : [`${name} ${state.why}`];
    }).join(", ");
  }

  /**
   * Reads the links again and follows what has changed, for `session` if there is one. Returns
   * whether a link came, went or leads elsewhere.
   */
  refresh(session: number | null): Promise<boolean> {
    const refreshed = this.#turn.then(async () => {
      const before = this.#describe();
      await this.#refresh(session);
      return this.#describe() !== before;
    });
    this.#turn = refreshed.then(() => {}, () => {});
    return refreshed;
  }

  #describe(): string {
    return this.#links.map(({ name }) => {
      const state = this.#states.get(name);
      return state?.isUsable === true ? `${name} ${linkIdentity(state)}` : name;
    }).join(", ");
  }

  async #refresh(session: number | null): Promise<void> {
    const interfaces = await listInterfaces(this.#runner);
    for (const link of this.#links) {
      const before = this.#states.get(link.name);
      const state = await readLinkState(
        this.#runner,
        link,
        interfaces,
        this.#server.address,
        this.#nextHops.get(link.name),
      );
      this.#states.set(link.name, state);
      if (state.isUsable) this.#nextHops.set(link.name, state.nextHop);
      if (!state.isUsable) {
        if (before?.isUsable !== false) log.warn(`link ${link.name} ${state.why}`);
        this.#dropPath(link);
        continue;
      }
      if (before?.isUsable === false) log.info(`link ${link.name} is back`);
      await this.#routes?.ensure(state.nextHop);
      if (session !== null) this.#ensurePath(link, session, linkIdentity(state));
    }
  }

  #ensurePath(link: Link, session: number, identity: string): void {
    const path = this.#paths.get(link.name);
    if (path?.session === session && path.identity === identity) return;
    if (path?.session === session) this.#dropPath(link);
    try {
      this.#engine.addPath(session, {
        id: link.id,
        name: link.name,
        device: link.name,
        server: this.#server.address,
        port: this.#port,
        ...(link.sourceAddress === null ? {} : { source: link.sourceAddress }),
      });
      this.#paths.set(link.name, { session, identity });
    } catch (error) {
      log.warn("cannot use link {name}: {error}", { name: link.name, error });
    }
  }

  #dropPath(link: Link): void {
    const path = this.#paths.get(link.name);
    if (path === undefined) return;
    this.#engine.removePath(path.session, link.id);
    this.#paths.delete(link.name);
  }
}
