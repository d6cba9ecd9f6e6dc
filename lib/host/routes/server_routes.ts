/**
 * The routes a client needs: one to the server over each link (`ServerRoutes`), so that the tunnel's
 * own packets never go into the tunnel, and the machine's traffic into the tunnel (`DefaultRoute`).
 * Every route is a new one beside those that are there; none is replaced but our own, so undoing is
 * deleting.
 */
import { SerialQueue } from "../serial_queue.ts";
import { CommandError } from "../command/runner.ts";
import { type NextHop, readRoutes, type Route, sameNextHop } from "./gateway/routing_table.ts";
import { type AddressFamily, familyOf, hostPrefix, sameAddress } from "../links/address.ts";
import type { ChangeId, HostJournal } from "../journal/host_journal.ts";
import { isTaken, routeCommand, type RouteEntry } from "./route_command.ts";

/** The metric of the link a control connection shall take. */
const PREFERRED_METRIC = 1;
/** Those of all links, in the order they were given. */
const FIRST_METRIC = 10;
/** Places looked at for a free metric; also the most routes one server can have here. */
const METRICS_MAX = 64;

interface OwnRoute {
  nextHop: NextHop;
  metric: number;
  change: ChangeId | null;
}

/**
 * A route to one address of the server over each link. The routes differ in their metric: sockets
 * bound to a link find its gateway, others take the preferred link, else the first. A metric that
 * somebody else uses for this address is left to them, so that several clients can share a server.
 */
export class ServerRoutes {
  readonly #family: AddressFamily;
  readonly #destination: string;
  readonly #routes = new Map<string, OwnRoute>();
  #preferred: (OwnRoute & { device: string }) | undefined;
  /** A reconnect and a change of links may ask at the same time; the kernel and we must agree. */
  readonly #queue = new SerialQueue();

  /** Throws RangeError when `server` is no address. */
  constructor(readonly journal: HostJournal, readonly server: string) {
    this.#family = familyOf(server);
    this.#destination = hostPrefix(server);
  }

  /**
   * Makes sure that the server has a route over the link, with this gateway. Call it again when the
   * link comes back or its gateway changes. `snapshot` is a list of all routes of the family, for who
   * has read it already. Throws CommandError or JournalError.
   */
  ensure(nextHop: NextHop, snapshot?: readonly Route[]): Promise<void> {
    return this.#queue.run(() => this.#ensure(nextHop, snapshot));
  }

  async #ensure(nextHop: NextHop, snapshot?: readonly Route[]): Promise<void> {
    const { device } = nextHop;
    const own = this.#routes.get(device);
    if (own === undefined) {
      this.#routes.set(device, await this.#add(nextHop, FIRST_METRIC));
      return;
    }
    const present = snapshot === undefined ? await this.#present() : this.#in(snapshot);
    this.#routes.set(device, await this.#put(own, nextHop, present));
    if (this.#preferred?.device === device) {
      this.#preferred = { device, ...await this.#put(this.#preferred, nextHop, present) };
    }
  }

  /**
   * Sends sockets that are bound to no link over `device` from now on. False when another program
   * holds the place of the best route, so that this could not be done. Throws RangeError for a
   * device without a route.
   */
  prefer(device: string): Promise<boolean> {
    return this.#queue.run(() => this.#prefer(device));
  }

  async #prefer(device: string): Promise<boolean> {
    const own = this.#routes.get(device);
    if (own === undefined) throw new RangeError(`Cannot prefer ${device}: no route over it yet`);
    if (this.#preferred === undefined) {
      const added = await this.#add(own.nextHop, PREFERRED_METRIC);
      this.#preferred = { device, ...added };
    } else {
      const moved = await this.#put(this.#preferred, own.nextHop, await this.#present());
      this.#preferred = { device, ...moved };
    }
    return this.#preferred.metric === PREFERRED_METRIC;
  }

  /** Takes the route over a link away, and the preference for it. */
  remove(device: string): Promise<void> {
    return this.#queue.run(() => this.#remove(device));
  }

  async removeAll(): Promise<void> {
    for (const device of [...this.#routes.keys()]) await this.remove(device);
  }

  async #remove(device: string): Promise<void> {
    if (this.#preferred?.device === device) {
      await this.#undo(this.#preferred);
      this.#preferred = undefined;
    }
    const own = this.#routes.get(device);
    if (own === undefined) return;
    await this.#undo(own);
    this.#routes.delete(device);
  }

  /** Adds a route at the first free metric from `from` on. */
  async #add(nextHop: NextHop, from: number): Promise<OwnRoute> {
    const taken = new Set((await this.#present()).map((route) => route.metric));
    for (let metric = from; metric < from + METRICS_MAX; metric++) {
      if (taken.has(metric)) continue;
      try {
        return { nextHop, metric, change: await this.#apply("add", this.#entry(nextHop, metric)) };
      } catch (error) {
        // Another client was faster.
        if (!(error instanceof CommandError && isTaken(error.stderr))) throw error;
      }
    }
    throw new Error(
      `Cannot add a route to ${this.server} over ${nextHop.device}: ${METRICS_MAX} others are there`,
    );
  }

  /** Brings a route of ours to `nextHop`, in one step and at its metric. */
  async #put(own: OwnRoute, nextHop: NextHop, routes: readonly Route[]): Promise<OwnRoute> {
    const { metric } = own;
    const present = routes.some((route) =>
      route.metric === metric && route.nextHops.some((hop) => sameNextHop(hop, nextHop))
    );
    if (present && sameNextHop(own.nextHop, nextHop)) return own;
    const change = await this.#apply("replace", this.#entry(nextHop, metric));
    if (own.change !== null) await this.journal.settle(own.change);
    return { nextHop, metric, change };
  }

  #apply(verb: "add" | "replace", route: RouteEntry): Promise<ChangeId | null> {
    return this.journal.apply({
      kind: "command",
      argv: routeCommand(verb, route),
      undo: routeCommand("del", route),
    });
  }

  async #undo(own: OwnRoute): Promise<void> {
    if (own.change !== null) await this.journal.undo(own.change);
  }

  #present(): Promise<Route[]> {
    return readRoutes(this.journal.runner, this.#family, ["exact", this.#destination]);
  }

  #in(snapshot: readonly Route[]): Route[] {
    return snapshot.filter(({ table, destination }) =>
      table === "main" && !destination.includes("/") && sameAddress(destination, this.server)
    );
  }

  #entry(nextHop: NextHop, metric: number): RouteEntry {
    return { destination: this.#destination, nextHop, metric };
  }
}
