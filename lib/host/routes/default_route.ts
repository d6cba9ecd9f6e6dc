import type { CommandRunner } from "../command/runner.ts";
import { CommandError } from "../command/runner.ts";
import { readRoutes, type Route } from "./gateway/routing_table.ts";
import { type AddressFamily, FAMILIES } from "../links/address.ts";
import type { ChangeId, HostJournal } from "../journal/host_journal.ts";
import { isTaken, routeCommand } from "./route_command.ts";

/**
 * Together they cover every address and are more specific than the default route: that one stays as
 * it is, and whoever renews it (DHCP, router advertisements) disturbs nothing. For IPv6 some machines
 * have 2000::/3, all that is given out, as their default route. Networks on the links and the routes
 * to the server are more specific still.
 */
const PARTS = {
  4: ["0.0.0.0/1", "128.0.0.0/1"],
  6: ["::/1", "8000::/1", "2000::/4", "3000::/4"],
} as const;

/** Whether a route to `destination` is one to all that is given out: some machines have 2000::/3. */
export function leadsEverywhere(destination: string): boolean {
  return ["0.0.0.0/0", "::/0", "2000::/3"].includes(destination);
}

/** Of the routes into the tunnel, the most specific. */
export const PART_PREFIX_LENGTH_MAX: Readonly<Record<AddressFamily, number>> = { 4: 1, 6: 4 };

interface Part {
  readonly family: AddressFamily;
  readonly destination: string;
  /** The kernel's own default unless there is one. */
  readonly metric: number | undefined;
  change: ChangeId | null;
}

/** What to do where another tunnel has the traffic. */
export type WhenTaken = "refuse" | "go behind";

/** Sends the machine's traffic into the tunnel, on and off. */
export class DefaultRoute {
  /** Those in use. */
  #parts: Part[] = [];
  #ahead: string | null = null;

  constructor(
    readonly journal: HostJournal,
    readonly tun: string,
    readonly whenTaken: WhenTaken = "refuse",
  ) {}

  /** The device of the tunnel that has the traffic before this one, or null. */
  get ahead(): string | null {
    return this.#ahead;
  }

  /**
   * Turns the traffic of `families` into the tunnel. Returns notices for people: IPv6 that this
   * machine does not have is one. Throws, with everything as before, when another tunnel has the
   * traffic already.
   */
  async enable(families: readonly AddressFamily[] = FAMILIES): Promise<string[]> {
    const notices: string[] = [];
    try {
      for (const family of families) {
        if (family === 6 && await hasNoIpv6(this.journal, this.tun)) {
          notices.push(
            `IPv6 is switched off on ${this.tun}: IPv6 traffic does not go into the tunnel`,
          );
          continue;
        }
        for (const destination of PARTS[family]) {
          const metric = await this.#freeMetric(family, destination);
          const change = await this.#add(family, destination, metric);
          this.#parts.push({ family, destination, metric, change });
        }
      }
    } catch (error) {
      await this.disable();
      throw error;
    }
    return notices;
  }

  /**
   * Makes those routes again that somebody has removed meanwhile. Returns a notice for people then.
   * One call after the other. Throws CommandError, or Error when another route is in their place.
   */
  async follow(): Promise<string[]> {
    let isMended = false;
    for (const family of new Set(this.#parts.map((part) => part.family))) {
      const present = await readRoutes(this.journal.runner, family, ["dev", this.tun]);
      for (const part of this.#parts) {
        const { destination, metric, change } = part;
        if (part.family !== family || present.some((one) => one.destination === destination)) {
          continue;
        }
        part.change = await this.#add(family, destination, metric);
        if (change !== null) await this.journal.settle(change);
        isMended = true;
      }
    }
    return isMended ? ["another program removed the routes into the tunnel: they are back"] : [];
  }

  /** Gives the traffic back to the routes that were there all the time. */
  async disable(): Promise<void> {
    for (const { change } of this.#parts.reverse()) {
      if (change !== null) await this.journal.undo(change);
    }
    this.#parts = [];
  }

  /** That of a route behind those that are there. Throws Error where none may be. */
  async #freeMetric(family: AddressFamily, destination: string): Promise<number | undefined> {
    const present = await readRoutes(this.journal.runner, family, ["exact", destination]);
    if (present.length === 0) return undefined;
    if (this.whenTaken === "refuse") throw inTheWay(destination, present);
    this.#ahead = present[0]!.nextHops[0]?.device ?? null;
    return Math.max(...present.map(({ metric }) => metric)) + 1;
  }

  async #add(
    family: AddressFamily,
    destination: string,
    metric: number | undefined,
  ): Promise<ChangeId | null> {
    const route = { destination, nextHop: { device: this.tun, gateway: undefined }, metric };
    try {
      return await this.journal.apply({
        kind: "command",
        argv: routeCommand("add", route),
        undo: routeCommand("del", route),
      });
    } catch (error) {
      if (!(error instanceof CommandError && isTaken(error.stderr))) throw error;
      const present = await readRoutes(this.journal.runner, family, ["exact", destination]);
      throw inTheWay(destination, present);
    }
  }
}

/** Whether the device has no IPv6, so that no route over it can be. */
export async function hasNoIpv6({ sysctl }: HostJournal, tun: string): Promise<boolean> {
  return await sysctl.read(`net/ipv6/conf/${tun}/disable_ipv6`) !== "0";
}

/**
 * Makes sure that no tunnel of another program, or of this one in its other mode, has all traffic:
 * the machine's own default route, spread or not, would carry none. Throws Error.
 */
export async function refuseTunnelRoutes(
  runner: CommandRunner,
  family: AddressFamily,
): Promise<void> {
  const [destination] = PARTS[family];
  const [route] = await readRoutes(runner, family, ["exact", destination]);
  if (route === undefined) return;
  const devices = route.nextHops.map((hop) => hop.device).join(", ") || "no device";
  throw new Error(
    `Cannot balance: a route to ${destination} on ${devices} takes all traffic into a tunnel; stop ` +
      "that VPN first, or the other fluxify-client",
  );
}

/** @param routes those to `destination`; one that leads nowhere is not among them. */
function inTheWay(destination: string, routes: readonly Route[]): Error {
  const devices = routes[0]?.nextHops.map((hop) => hop.device).join(", ") || "no device";
  return new Error(
    `Cannot send all traffic into the tunnel: a route to ${destination} is there already, ` +
      `on ${devices}; stop the other VPN or delete that route`,
  );
}
