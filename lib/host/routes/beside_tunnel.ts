/**
 * Destinations that go beside the tunnel: they have routes of their own, over whatever the machine's
 * default routes lead over, in a table that is asked before the routes into the tunnel. Networks on the
 * links, and more specific routes of the main table, go before them as always.
 */
import type { CommandError } from "../command/runner.ts";
import type { HostJournal } from "../journal/host_journal.ts";
import type { LocalNetwork } from "../firewall/kill_switch/permitted_traffic.ts";
import { type AddressFamily, FAMILIES, familyOf } from "../links/address.ts";
import { PART_PREFIX_LENGTH_MAX } from "./default_route.ts";
import { freeTables } from "./free_tables.ts";
import { prefixLength } from "./gateway/gateway.ts";
import { readRoutes, type Route } from "./gateway/routing_table.ts";
import { type PolicyRule, readRules, ruleCommand } from "./policy_rule.ts";
import { type WantedChange, WantedChanges, wantedRoute } from "./wanted_changes.ts";

/** Behind those of LinkTables, before the main table's 32766. */
const PRIORITY_SPECIFIC = 32303;
const PRIORITY_BESIDE = 32304;
/** More would be slow to put in place, one command each. */
const BESIDE_PREFIXES_MAX = 256;
/** Default routes that are followed: one for each uplink, and a few to spare. */
const DEFAULTS_MAX = 16;

interface Followed {
  /** Where packets may leave now: what a kill switch has to let through. */
  readonly networks: readonly LocalNetwork[];
  /** What could not be done at present. */
  readonly errors: readonly CommandError[];
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
   * Sends what goes to `prefixes` beside the tunnel, and nothing else. To be called again when they, or
   * the machine's routes, have changed. @throws CommandError when the routes cannot be read, Error when
   * no table is free, JournalError.
   */
  async follow(prefixes: readonly string[]): Promise<Followed> {
    const { runner } = this.#journal;
    if (this.#table === null && prefixes.length > 0) {
      const [table] = await freeTables(runner, 1, [], "do without -bypass");
      this.#table = table!;
    }
    const wanted: WantedChange[] = [];
    const networks: LocalNetwork[] = [];
    for (const family of FAMILIES) {
      const own = prefixes.filter((prefix) => familyOf(prefix.split("/")[0]!) === family)
        .slice(0, BESIDE_PREFIXES_MAX);
      if (own.length === 0) continue;
      const table = this.#table!;
      const routes = await readRoutes(runner, family);
      const present = routes.filter((route) => route.table === String(table));
      for (const { nextHop, metric } of this.#defaults(routes)) {
        for (const destination of own) {
          wanted.push(wantedRoute("replace", { destination, nextHop, metric, table }, present));
          networks.push({ device: nextHop.device, family, prefix: destination });
        }
      }
      const rules = await readRules(runner, family);
      wanted.push(...rulesOf(family, table).map((rule) => wantedRule(rule, rules)));
    }
    return { networks, errors: await this.#changes.follow(wanted) };
  }

  /** Those of other devices than the tunnel's. */
  #defaults(routes: readonly Route[]) {
    return routes
      .filter(({ table, destination }) => table === "main" && prefixLength(destination) === 0)
      .flatMap(({ nextHops, metric }) => nextHops.map((nextHop) => ({ nextHop, metric })))
      .filter(({ nextHop }) => nextHop.device !== this.#tun)
      .slice(0, DEFAULTS_MAX);
  }
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
