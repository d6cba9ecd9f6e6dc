/**
 * Destinations that go beside the tunnel: they have routes of their own, over whatever the machine's
 * default routes lead over, in a table that is asked before the routes into the tunnel. Networks on the
 * links, and more specific routes of the main table, go before them as always.
 */
import type { HostJournal } from "../journal/host_journal.ts";
import type { LocalNetwork } from "../firewall/kill_switch/permitted_traffic.ts";
import { type AddressFamily, FAMILIES } from "../links/address.ts";
import { leadsEverywhere, PART_PREFIX_LENGTH_MAX } from "./default_route.ts";
import { freeTables } from "./free_tables.ts";
import { type NextHop, readRoutes, type Route } from "./gateway/routing_table.ts";
import { type PolicyRule, readRules, ruleCommand } from "./policy_rule.ts";
import {
  isWithin,
  networksOn,
  ofFamily,
  PREFIXES_MAX,
  type WantedChange,
  WantedChanges,
  wantedRoute,
} from "./wanted_changes.ts";

/** Behind those of LinkTables, before the main table's 32766. */
const PRIORITY_SPECIFIC = 32303;
const PRIORITY_BESIDE = 32304;
/** The first free one of these is ours. */
const TABLES = [7700, 7799] as const;
/** Default routes that are followed: one for each uplink, and a few to spare. */
const DEFAULTS_MAX = 16;

/** What has come of following. */
export interface Followed {
  /** Where packets may leave now: what a kill switch has to let through. */
  readonly networks: readonly LocalNetwork[];
  /** What could not be done at present, for people. */
  readonly notices: readonly string[];
}

export class BesideTunnel {
  readonly #journal: HostJournal;
  readonly #tun: string;
  readonly #changes: WantedChanges;
  #table: number | null = null;

  constructor(journal: HostJournal, tun: string) {
    this.#journal = journal;
    this.#tun = tun;
    this.#changes = new WantedChanges(journal);
  }

  /**
   * Makes `prefixes` the only destinations that go beside the tunnel. To be called again when they, or
   * the machine's routes, have changed. @throws CommandError when the routes cannot be read, Error when
   * no table is free, JournalError.
   */
  async follow(prefixes: readonly string[]): Promise<Followed> {
    const { runner } = this.#journal;
    if (this.#table === null && prefixes.length > 0) {
      const [table] = await freeTables(runner, TABLES, 1, [], "do without -bypass");
      this.#table = table!;
    }
    const wanted: WantedChange[] = [];
    const networks: LocalNetwork[] = [];
    const notices: string[] = [];
    for (const family of FAMILIES) {
      const { own: all, notice } = ofFamily(prefixes, family, PREFIXES_MAX, "-bypass");
      if (all.length === 0) continue;
      notices.push(...notice);
      const table = this.#table!;
      const routes = await readRoutes(runner, family);
      const inside = networksOn(routes, (device) => device === this.#tun);
      const own = all.filter((prefix) => !inside.some((network) => isWithin(prefix, network)));
      if (own.length < all.length) {
        notices.push("-bypass stands for addresses inside the tunnel as well: those stay there");
      }
      const present = routes.filter((route) => route.table === String(table));
      const defaults = otherDefaults(routes, this.#tun);
      if (defaults.length === 0 && own.length > 0) {
        notices.push(
          `no IPv${family} route outside the tunnel: packets to ${
            own.join(", ")
          } go where all others go`,
        );
      }
      for (const { nextHop, metric } of defaults) {
        for (const destination of own) {
          const entry = { destination, nextHop, metric, table };
          wanted.push(wantedRoute("replace", entry, present));
          networks.push({ device: nextHop.device, family, prefix: destination });
        }
      }
      const rules = await readRules(runner, family);
      wanted.push(...rulesOf(family, table).map((rule) => wantedRule(rule, rules)));
    }
    const errors = await this.#changes.follow(wanted);
    const failures = errors.map(({ message }) => `cannot send it beside the tunnel: ${message}`);
    return { networks, notices: [...notices, ...failures] };
  }
}

/** The machine's default routes but those of `tun`; of one metric, which can be there once, the first. */
export function otherDefaults(
  routes: readonly Route[],
  tun: string,
): { nextHop: NextHop; metric: number }[] {
  const byMetric = new Map<number, NextHop>();
  for (const { table, destination, nextHops, metric } of routes) {
    if (table !== "main" || !leadsEverywhere(destination)) continue;
    const nextHop = nextHops.find(({ device }) => device !== tun);
    if (nextHop !== undefined && !byMetric.has(metric)) byMetric.set(metric, nextHop);
  }
  return [...byMetric].map(([metric, nextHop]) => ({ nextHop, metric })).slice(0, DEFAULTS_MAX);
}

function rulesOf(family: AddressFamily, table: number): PolicyRule[] {
  return [
    {
      ...{ family, table: "main", priority: PRIORITY_SPECIFIC },
      suppressPrefixLength: PART_PREFIX_LENGTH_MAX[family],
    },
    { family, table, priority: PRIORITY_BESIDE },
  ];
}

function wantedRule(
  rule: PolicyRule,
  present: readonly { priority: number; table: string }[],
): WantedChange {
  return {
    add: ruleCommand("add", rule),
    undo: ruleCommand("del", rule),
    isPresent: present.some(({ priority, table }) =>
      priority === rule.priority && table === String(rule.table)
    ),
  };
}
