import * as v from "valibot";
import { type CommandError, type CommandRunner, runForList } from "../command/runner.ts";
import { defaultGateway, nextHopFor } from "./gateway/gateway.ts";
import { NextHopMemory } from "./gateway/next_hop_memory.ts";
import { type NextHop, OWN_PROTOCOL, type Route } from "./gateway/routing_table.ts";
import { type AddressFamily, FAMILIES, familyOf, hostPrefix } from "../links/address.ts";
import { findInterface, type NetworkInterface, whyAway } from "../links/network_interface.ts";
import type { HostJournal } from "../journal/host_journal.ts";
import { PART_PREFIX_LENGTH_MAX } from "./default_route.ts";
import { freeTables } from "./free_tables.ts";
import { type PolicyRule, ruleCommand } from "./policy_rule.ts";
import type { RouteEntry } from "./route_command.ts";
import { type WantedChange, WantedChanges, wantedRoute, withLength } from "./wanted_changes.ts";

const TABLES = [7800, 7999] as const;
/** Behind the rules a person would write, before the main table's 32766. */
const PRIORITY_NEAR = 32300;
const PRIORITY_SPECIFIC = 32301;
const PRIORITY_DEFAULT = 32302;
/** A machine has few; a link that gets a new one each minute must not fill the rules. */
const ADDRESSES_MAX = 16;
const ROUTES_MAX = 64;

/** What the tables follow, read at about one moment. */
interface LinkSurroundings {
  readonly interfaces: readonly NetworkInterface[];
  /** Of all tables. */
  readonly routes: ReadonlyMap<AddressFamily, readonly Route[]>;
  /** Links that were away since the last time, also those that are back. */
  readonly wentDown: ReadonlySet<string>;
}

/**
 * A routing table for each link, and rules that send packets from an address of the link to it: so
 * what has been given a source address leaves by the link of that address, beside the tunnel. The
 * table holds the networks on the link, the server, and the link's default route. For each address
 * there are three rules: the table without its default route; the main table without its default
 * route and those of DefaultRoute into the tunnel, so that networks behind other interfaces stay
 * reachable; then the table with its default route.
 */
export class LinkTables {
  readonly #tables = new Map<string, number>();
  readonly #changes: WantedChanges;
  /** By link and family. */
  readonly #gateways = new Map<string, NextHopMemory>();

  constructor(readonly journal: HostJournal) {
    this.#changes = new WantedChanges(journal);
  }

  /**
   * Brings tables and rules to what the links are; `devices` are their interfaces. What cannot be
   * done at present is returned as errors, and the rest is done. Throws Error when no tables are free,
   * JournalError.
   */
  async follow(
    surroundings: LinkSurroundings,
    devices: readonly string[],
    servers: readonly string[],
  ): Promise<CommandError[]> {
    const added = devices.filter((device) => !this.#tables.has(device));
    if (added.length > 0) await this.#chooseTables(added);
    const wanted = await this.#wanted(surroundings, devices, servers);
    return await this.#changes.follow(wanted);
  }

  /** A table is kept for a link that goes, as long as there are others. */
  async #chooseTables(devices: readonly string[]): Promise<void> {
    const free = await freeTables(
      this.journal.runner,
      TABLES,
      devices.length,
      this.#tables.values(),
      "do without -policy-routing",
    );
    for (const [index, device] of devices.entries()) this.#tables.set(device, free[index]!);
  }

  async #wanted(
    { interfaces, routes, wentDown }: LinkSurroundings,
    devices: readonly string[],
    servers: readonly string[],
  ): Promise<WantedChange[]> {
    const wanted: WantedChange[] = [];
    for (const family of FAMILIES) {
      const list = routes.get(family) ?? [];
      const links = devices.flatMap((device) => {
        const link = findInterface(interfaces, device);
        const isAway = link === undefined || whyAway(link) !== null;
        if (isAway || wentDown.has(device)) this.#memoryOf(device, family).linkWentDown();
        return isAway ? [] : [link];
      });
      const from = new Map(links.map((link) => [link, sourcesOf(link, family)]));
      if (![...from.values()].some((addresses) => addresses.length > 0)) continue;
      const rules = await readOwnRules(this.journal.runner, family);
      for (const [link, addresses] of from) {
        if (addresses.length === 0) continue;
        const table = this.#tables.get(link.name)!;
        const present = list.filter((route) => route.table === String(table));
        for (const entry of this.#entries(link, family, list, servers)) {
          wanted.push(wantedRoute("replace", { ...entry, table }, present));
        }
        for (const address of addresses) wanted.push(...wantedRules(family, address, table, rules));
      }
    }
    return wanted;
  }

  #entries(
    link: NetworkInterface,
    family: AddressFamily,
    routes: readonly Route[],
    servers: readonly string[],
  ): RouteEntry[] {
    const { name } = link;
    const straight = { device: name, gateway: undefined };
    const near = routes.filter((route) => isNear(route, name, servers)).slice(0, ROUTES_MAX)
      .map(({ destination }) => ({ destination: withLength(destination), nextHop: straight }));
    const gateway = this.#gateway(link, family, routes);
    const far = servers.filter((server) => familyOf(server) === family).flatMap((server) => {
      const nextHop = nextHopFor(routes, name, server) ?? gateway;
      return nextHop === undefined ? [] : [{ destination: hostPrefix(server), nextHop }];
    });
    if (gateway === undefined) return [...near, ...far];
    const anywhere = family === 4 ? "0.0.0.0/0" : "::/0";
    return [...near, ...far, { destination: anywhere, nextHop: gateway }];
  }

  #gateway(
    link: NetworkInterface,
    family: AddressFamily,
    routes: readonly Route[],
  ): NextHop | undefined {
    const found = link.pointToPoint
      ? { device: link.name, gateway: undefined }
      : defaultGateway(routes, link.name, family);
    const memory = this.#memoryOf(link.name, family);
    if (found !== undefined) memory.found(found);
    return found ?? memory.missing(link);
  }

  #memoryOf(device: string, family: AddressFamily): NextHopMemory {
    return this.#gateways.getOrInsertComputed(`${device} ${family}`, () => new NextHopMemory());
  }
}

function sourcesOf(link: NetworkInterface, family: AddressFamily): string[] {
  return link.addresses
    .filter((one) => one.family === family && one.scope === "global" && one.isTentative !== true)
    .map(({ address }) => address).slice(0, ADDRESSES_MAX);
}

/** Whether the main table has a network straight on the link. */
function isNear(route: Route, device: string, servers: readonly string[]): boolean {
  const { destination, table, nextHops } = route;
  return table === "main" && nextHops.length === 1 && nextHops[0]!.device === device &&
    nextHops[0]!.gateway === undefined && !destination.endsWith("/0") &&
    !destination.startsWith("fe80:") && !servers.includes(destination);
}

function wantedRules(
  family: AddressFamily,
  from: string,
  table: number,
  present: ReadonlySet<string>,
): WantedChange[] {
  const rules: PolicyRule[] = [
    { family, from, table, priority: PRIORITY_NEAR, suppressPrefixLength: 0 },
    {
      ...{ family, from, table: "main", priority: PRIORITY_SPECIFIC },
      suppressPrefixLength: PART_PREFIX_LENGTH_MAX[family],
    },
    { family, from, table, priority: PRIORITY_DEFAULT },
  ];
  return rules.map((rule) => ({
    add: ruleCommand("add", rule),
    undo: ruleCommand("del", rule),
    isPresent: present.has(`${rule.priority} ${from} ${rule.table}`),
  }));
}

const RuleSchema = v.object({
  priority: v.number(),
  src: v.string(),
  table: v.string(),
  protocol: v.literal(OWN_PROTOCOL),
});

async function readOwnRules(runner: CommandRunner, family: AddressFamily): Promise<Set<string>> {
  const rules = await runForList(runner, ["ip", `-${family}`, "-j", "rule", "show"], RuleSchema);
  return new Set(rules.map(({ priority, src, table }) => `${priority} ${src} ${table}`));
}
