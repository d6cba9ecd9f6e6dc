import { CommandError } from "../command/runner.ts";
import type { NextHop } from "./gateway/routing_table.ts";
import type { AddressFamily } from "../links/address.ts";
import type { ChangeId, HostJournal } from "../journal/host_journal.ts";
import { goesBefore, RemovedDefaults } from "./removed_defaults.ts";
import {
  type DefaultTable,
  deleteDefault,
  describeHops,
  OWN_METRIC,
  readOwnDefaults,
  replaceDefault,
  type WeightedHop,
} from "./multipath_route.ts";
import { ruleCommand } from "./policy_rule.ts";
import { type SavedDefault, saveDefaults } from "./saved_defaults.ts";
import { ownPriorities, type SlottedDevice, tableOf, uplinkPolicy } from "./uplink_policy.ts";

/** What the kernel shall hold for one family. */
interface WantedDefaults {
  /** By slot. */
  own: ReadonlyMap<number, NextHop>;
  shared: readonly WeightedHop[] | "keep";
}

export interface Applied {
  /** What cannot be done at present. */
  errors: Error[];
  /** Routes of others that have been taken out of the way. */
  taken: SavedDefault[];
  /** Routes of others that go before ours and are not ours to take. */
  ahead: SavedDefault[];
}

/**
 * The default routes of load balancing. The shared one is in the main table, with a metric lower than
 * those of the machine's own, which stay behind it: whoever renews them (DHCP, router advertisements,
 * a person) disturbs nothing and is not disturbed. Each uplink has a table of its own beside, and
 * rules before the main table's say who uses it.
 */
export class UplinkRoutes {
  readonly removed: RemovedDefaults;
  readonly #changes = new Map<DefaultTable, ChangeId | null>();
  readonly #rules = new Map<number, ChangeId | null>();

  constructor(
    readonly journal: HostJournal,
    readonly family: AddressFamily,
    /** May grow. */
    readonly uplinks: readonly SlottedDevice[],
  ) {
    this.removed = new RemovedDefaults(journal);
  }

  /**
   * Brings the kernel to what is wanted, and again after it took a route away with its link. What
   * cannot be done at present is returned as errors, and the rest is done.
   */
  async apply({ own, shared }: WantedDefaults): Promise<Applied> {
    const present = await readOwnDefaults(this.journal.runner, this.family);
    const applied: Applied = { errors: [], taken: [], ahead: [] };
    const attempt = async (action: () => Promise<void>) => {
      try {
        await action();
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        applied.errors.push(error);
      }
    };
    for (const { slot } of this.uplinks) {
      const nextHop = own.get(slot);
      const table = tableOf(slot);
      await attempt(() =>
        nextHop === undefined
          ? this.#remove(table)
          : this.#put(table, [{ nextHop, weight: 1 }], present)
      );
    }
    // Connections that are marked find their way before the others are spread.
    await attempt(() => this.#addRules());
    await attempt(() => this.#share(shared, present, applied));
    return applied;
  }

  async #share(
    hops: WantedDefaults["shared"],
    present: ReadonlyMap<DefaultTable, string>,
    applied: Applied,
  ): Promise<void> {
    // Without a route of our own there may be no other way than theirs.
    if (hops === "keep" && !present.has("main")) return;
    const uplinks = new Set(this.uplinks.map(({ device }) => device));
    const foremost = (await saveDefaults(this.journal.runner, this.family)).filter(goesBefore);
    const due = foremost.filter((route) => this.removed.isDue(route, uplinks));
    applied.ahead = foremost.filter((route) => !due.includes(route));
    const take = async (routes: readonly SavedDefault[]) => {
      const left = await this.removed.take(routes);
      applied.taken.push(...routes.filter((route) => !left.includes(route)));
      for (const { words } of left) {
        applied.errors.push(new Error(`somebody keeps making this route: ${words.join(" ")}`));
      }
    };
    await take(due.filter(({ metric }) => metric === OWN_METRIC));
    if (applied.ahead.some(({ metric }) => metric === OWN_METRIC)) return;
    if (hops !== "keep") await this.#put("main", hops, present);
    await take(due.filter(({ metric }) => metric !== OWN_METRIC));
    this.removed.started();
  }

  async #addRules(): Promise<void> {
    const present = await ownPriorities(this.journal.runner, this.family);
    for (const rule of uplinkPolicy(this.family, this.uplinks)) {
      const before = this.#rules.get(rule.priority);
      if (before !== undefined && present.has(rule.priority)) continue;
      const change = await this.journal.apply({
        kind: "command",
        argv: ruleCommand("add", rule),
        undo: ruleCommand("del", rule),
      });
      if (before !== undefined && before !== null) await this.journal.settle(before);
      this.#rules.set(rule.priority, change);
    }
  }

  async #put(
    table: DefaultTable,
    hops: readonly WeightedHop[],
    present: ReadonlyMap<DefaultTable, string>,
  ): Promise<void> {
    const before = this.#changes.get(table);
    if (before !== undefined && present.get(table) === describeHops(hops)) return;
    const change = await this.journal.apply({
      kind: "command",
      argv: replaceDefault({ family: this.family, table, hops }),
      undo: deleteDefault(this.family, table),
    });
    if (before !== undefined && before !== null) await this.journal.settle(before);
    this.#changes.set(table, change);
  }

  async #remove(table: number): Promise<void> {
    const change = this.#changes.get(table);
    if (change === undefined) return;
    if (change !== null) await this.journal.undo(change);
    this.#changes.delete(table);
  }
}
