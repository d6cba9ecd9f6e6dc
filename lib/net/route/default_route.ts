import { CommandError } from "../command/runner.ts";
import { readRoutes, type Route } from "../gateway/routing_table.ts";
import type { AddressFamily } from "../interface/address.ts";
import type { ChangeId, HostJournal } from "../journal/host_journal.ts";
import { isTaken, routeCommand } from "./route_command.ts";

/**
 * Two halves cover every address and are more specific than the default route: that one stays as it
 * is, and whoever renews it (DHCP, router advertisements) disturbs nothing. Networks on the links
 * and the routes to the server are more specific still.
 */
const HALVES = {
  4: ["0.0.0.0/1", "128.0.0.0/1"],
  6: ["::/1", "8000::/1"],
} as const;

/** Sends the machine's traffic into the tunnel, on and off. */
export class DefaultRoute {
  #changes: ChangeId[] = [];

  constructor(readonly journal: HostJournal, readonly tun: string) {}

  /**
   * Turns the traffic of `families` into the tunnel. Returns notices for people: IPv6 that this
   * machine does not have is one. Throws, with everything as before, when another tunnel has the
   * traffic already.
   */
  async enable(families: readonly AddressFamily[] = [4, 6]): Promise<string[]> {
    const notices: string[] = [];
    try {
      for (const family of families) {
        if (family === 6 && await this.#hasNoIpv6()) {
          notices.push(
            `IPv6 is switched off on ${this.tun}: IPv6 traffic does not go into the tunnel`,
          );
          continue;
        }
        for (const half of HALVES[family]) await this.#add(family, half);
      }
    } catch (error) {
      await this.disable();
      throw error;
    }
    return notices;
  }

  /** Gives the traffic back to the routes that were there all the time. */
  async disable(): Promise<void> {
    for (const change of this.#changes.reverse()) await this.journal.undo(change);
    this.#changes = [];
  }

  async #add(family: AddressFamily, destination: string): Promise<void> {
    const present = await readRoutes(this.journal.runner, family, ["exact", destination]);
    if (present.length > 0) throw inTheWay(present);
    const route = { destination, nextHop: { device: this.tun, gateway: undefined } };
    try {
      const change = await this.journal.apply({
        kind: "command",
        argv: routeCommand("add", route),
        undo: routeCommand("del", route),
      });
      if (change !== null) this.#changes.push(change);
    } catch (error) {
      if (!(error instanceof CommandError && isTaken(error.stderr))) throw error;
      throw inTheWay(await readRoutes(this.journal.runner, family, ["exact", destination]));
    }
  }

  async #hasNoIpv6(): Promise<boolean> {
    const { sysctl } = this.journal;
    return await sysctl.read(`net/ipv6/conf/${this.tun}/disable_ipv6`) !== "0";
  }
}

function inTheWay(routes: readonly Route[]): Error {
  const [route] = routes;
  const devices = route?.nextHops.map((hop) => hop.device).join(", ") || "no device";
  return new Error(
    `Cannot send all traffic into the tunnel: a route to ${route?.destination} is there already, ` +
      `on ${devices}; stop the other VPN or delete that route`,
  );
}
