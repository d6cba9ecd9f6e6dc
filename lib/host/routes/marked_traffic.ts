/**
 * Packets with certain marks go beside the tunnel: a table of its own has the machine's other default
 * routes, and rules send what bears the mark there. Networks on the links, and more specific routes of
 * the main table, go before them as always.
 */
import type { LocalNetwork } from "../firewall/kill_switch/permitted_traffic.ts";
import { markText, type TrafficMark } from "../firewall/traffic_mark.ts";
import type { HostJournal } from "../journal/host_journal.ts";
import { type AddressFamily, FAMILIES } from "../links/address.ts";
import { type Followed, otherDefaults } from "./beside_tunnel.ts";
import { PART_PREFIX_LENGTH_MAX } from "./default_route.ts";
import { freeTables } from "./free_tables.ts";
import { readRoutes } from "./gateway/routing_table.ts";
import { type KernelRule, type PolicyRule, readRules, ruleCommand } from "./policy_rule.ts";
import { type WantedChange, WantedChanges, wantedRoute } from "./wanted_changes.ts";

/** Behind those of BesideTunnel, before the main table's 32766. */
const PRIORITY_SPECIFIC = 32305;
const PRIORITY_MARKED = 32306;
/** The first free one of these is ours. */
const TABLES = [7600, 7699] as const;
const ANYWHERE: Record<AddressFamily, string> = { 4: "0.0.0.0/0", 6: "::/0" };

export class MarkedTraffic {
  readonly #journal: HostJournal;
  readonly #tun: string;
  readonly #marks: readonly TrafficMark[];
  readonly #changes: WantedChanges;
  #table: number | null = null;

  constructor(journal: HostJournal, tun: string, marks: readonly TrafficMark[]) {
    this.#journal = journal;
    this.#tun = tun;
    this.#marks = marks;
    this.#changes = new WantedChanges(journal);
  }

  /**
   * Brings routes and rules to what the machine's routes are; to be called again when they have
   * changed. @throws CommandError when they cannot be read, Error when no table is free, JournalError.
   */
  async follow(): Promise<Followed> {
    const { runner } = this.#journal;
    if (this.#table === null) {
      const without = "do without -bypass-mark and -bypass-cgroup";
      [this.#table] = await freeTables(runner, TABLES, 1, [], without) as [number];
    }
    const table = this.#table;
    const wanted: WantedChange[] = [];
    const networks: LocalNetwork[] = [];
    const notices: string[] = [];
    for (const family of FAMILIES) {
      const routes = await readRoutes(runner, family);
      const present = routes.filter((route) => route.table === String(table));
      const defaults = otherDefaults(routes, this.#tun);
      if (defaults.length === 0) {
        notices.push(
          `no IPv${family} route outside the tunnel: IPv${family} packets that -bypass-mark and ` +
            "-bypass-cgroup name go where all others go",
        );
        continue;
      }
      for (const { nextHop, metric } of defaults) {
        const entry = { destination: ANYWHERE[family], nextHop, metric, table };
        wanted.push(wantedRoute("replace", entry, present));
        for (const mark of this.#marks) {
          networks.push({ device: nextHop.device, family, prefix: ANYWHERE[family], mark });
        }
      }
      const rules = await readRules(runner, family);
      for (const mark of this.#marks) wanted.push(...wantedRules(family, table, mark, rules));
    }
    const errors = await this.#changes.follow(wanted);
    const failures = errors.map(({ message }) => `cannot send it beside the tunnel: ${message}`);
    return { networks, notices: [...notices, ...failures] };
  }
}

function wantedRules(
  family: AddressFamily,
  table: number,
  mark: TrafficMark,
  present: readonly KernelRule[],
): WantedChange[] {
  const rules: PolicyRule[] = [
    {
      ...{ family, table: "main", priority: PRIORITY_SPECIFIC, mark: markText(mark) },
      suppressPrefixLength: PART_PREFIX_LENGTH_MAX[family],
    },
    { family, table, priority: PRIORITY_MARKED, mark: markText(mark) },
  ];
  const value = `0x${mark.value.toString(16)}`;
  return rules.map((rule) => ({
    add: ruleCommand("add", rule),
    undo: ruleCommand("del", rule),
    isPresent: present.some(({ priority, table: its, fwmark }) =>
      priority === rule.priority && its === String(rule.table) && fwmark === value
    ),
  }));
}
