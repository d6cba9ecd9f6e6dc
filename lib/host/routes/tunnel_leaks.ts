/**
 * Traffic that the routes into the tunnel do not get: because a policy rule comes before the main
 * table, or because a link brought a more specific route (DHCP option 121, route information in
 * router advertisements). Both are somebody's will, so they are named and left alone.
 */
import type { CommandRunner } from "../command/runner.ts";
import { type AddressFamily, FAMILIES, sameAddress } from "../links/address.ts";
import { prefixLength } from "./gateway/gateway.ts";
import { OWN_PROTOCOL, readRoutes, type Route } from "./gateway/routing_table.ts";
import { findInterface, listInterfaces } from "../links/network_interface.ts";
import { askInternetRoute } from "./internet_route.ts";
import { readRules } from "./policy_rule.ts";
import { selectedTraffic } from "./selected_traffic.ts";

interface LeakOptions {
  readonly tun: string;
  /** Those of the tunnel's own server: routes to them have to lead beside the tunnel. */
  readonly serverAddresses: () => readonly string[];
  /** What goes beside the tunnel because it is to. */
  readonly bypassed: () => readonly string[];
  /** With the kill switch on, nothing leaves by a more specific route. */
  readonly killSwitch: boolean;
}

/** A default route of some machines; the routes into the tunnel are more specific. */
const ALL_THAT_IS_GIVEN_OUT = "2000::/3";
/** Routes of the kernel belong to the addresses of a link, as do those of router advertisements. */
const ON_LINK_PROTOCOLS: readonly (string | undefined)[] = ["kernel", "ra"];
const NAMED_MAX = 4;

export class TunnelLeaks {
  readonly #runner: CommandRunner;
  readonly #options: LeakOptions;
  /** What was said and still holds. */
  #said = new Set<string>();

  constructor(runner: CommandRunner, options: LeakOptions) {
    this.#runner = runner;
    this.#options = options;
  }

  /** Returns warnings for the user, each once for as long as it holds. @throws CommandError. */
  async look(): Promise<string[]> {
    const lines: string[] = [];
    for (const family of FAMILIES) {
      const routes = await readRoutes(this.#runner, family, ["table", "main"]);
      if (!routes.some((route) => this.#leadsIntoTunnel(route))) continue;
      lines.push(...await this.#byPolicy(family, routes));
      if (!this.#options.killSwitch) lines.push(...this.#moreSpecific(routes));
    }
    const fresh = lines.filter((line) => !this.#said.has(line));
    this.#said = new Set(lines);
    return fresh;
  }

  async #byPolicy(family: AddressFamily, routes: readonly Route[]): Promise<string[]> {
    const { tun } = this.#options;
    const beside = [
      ...routes.filter((route) =>
        prefixLength(route.destination) > 0 && !this.#leadsIntoTunnel(route)
      ),
      ...this.#options.bypassed().map((destination) => ({ destination })),
    ];
    const winner = await askInternetRoute(this.#runner, family, beside);
    if (winner === null) return [];
    const device = winner === "nowhere" ? undefined : winner.nextHops[0]?.device;
    if (device === tun) return await this.#byRuleForSome(family, beside);
    const where = device === undefined || winner === "nowhere"
      ? "goes nowhere"
      : `goes to ${device} by the routing table ${winner.table}`;
    return [
      `IPv${family} traffic ${where}, not into the tunnel: a policy rule comes before the main ` +
      `table; 'ip -${family} rule' shows it, delete it or stop the program that made it`,
    ];
  }

  /** What a rule sends nowhere is somebody's block, and does not leave in clear. */
  async #byRuleForSome(
    family: AddressFamily,
    beside: readonly Pick<Route, "destination">[],
  ): Promise<string[]> {
    const { tun } = this.#options;
    const rules = await readRules(this.#runner, family);
    const parts = selectedTraffic(rules, family, await this.#ownSources());
    const lines: string[] = [];
    for (const { name, selector } of parts) {
      const winner = await askInternetRoute(this.#runner, family, beside, selector);
      if (winner === null || winner === "nowhere") continue;
      const device = winner.nextHops[0]?.device;
      if (device === undefined || device === tun) continue;
      lines.push(
        `IPv${family} traffic ${name} goes to ${device} by the routing table ${winner.table}, not ` +
          `into the tunnel: a policy rule comes before the main table; 'ip -${family} rule' shows ` +
          "it, delete it if you did not mean that",
      );
    }
    return lines;
  }

  async #ownSources(): Promise<string[]> {
    const tun = findInterface(await listInterfaces(this.#runner), this.#options.tun);
    return tun?.addresses.map(({ address }) => address) ?? [];
  }

  #moreSpecific(routes: readonly Route[]): string[] {
    const servers = this.#options.serverAddresses();
    const own = routes.filter((route) => this.#leadsIntoTunnel(route));
    const byDevice = new Map<string, string[]>();
    for (const route of routes) {
      if (prefixLength(route.destination) === 0 || this.#leadsIntoTunnel(route)) continue;
      // Those of another client of ours are its tunnel, behind this one, and the ways to its server.
      if (route.protocol === OWN_PROTOCOL || route.destination === ALL_THAT_IS_GIVEN_OUT) continue;
      if (own.some((one) => isBehind(route, one))) continue;
      if (servers.some((server) => isHost(route, server))) continue;
      for (const { device, gateway } of route.nextHops) {
        if (gateway === undefined && ON_LINK_PROTOCOLS.includes(route.protocol)) continue;
        const destinations = byDevice.get(device) ?? [];
        if (!destinations.includes(route.destination)) destinations.push(route.destination);
        byDevice.set(device, destinations);
      }
    }
    return [...byDevice].map(([device, destinations]) =>
      `${device} has routes that are more specific than the tunnel's: what goes to ` +
      `${list(destinations)} leaves beside the tunnel, in clear; if you did not make them, the ` +
      "link's network did (DHCP): -kill-switch lets nothing out there"
    );
  }

  #leadsIntoTunnel(route: Route): boolean {
    return route.nextHops.some(({ device }) => device === this.#options.tun);
  }
}

/** Of two routes to one network the kernel takes that of the lower metric. */
function isBehind({ destination, metric }: Route, own: Route): boolean {
  return destination === own.destination && metric > own.metric;
}

/** The widest ones first. */
function list(destinations: string[]): string {
  const rest = destinations.length - NAMED_MAX;
  const sorted = destinations.sort((a, b) => prefixLength(a) - prefixLength(b));
  const named = sorted.slice(0, NAMED_MAX).join(", ");
  return rest > 0 ? `${named} and ${rest} more` : named;
}

function isHost({ destination }: Route, address: string): boolean {
  return !destination.includes("/") && sameAddress(destination, address);
}
