import * as v from "valibot";
import { CommandError, type CommandRunner, runForList } from "../command/runner.ts";
import type { NextHop } from "../gateway/routing_table.ts";
import type { AddressFamily } from "../interface/address.ts";
import type { ChangeId, HostJournal } from "../journal/host_journal.ts";
import { markWithMask, uplinkMark, UPLINKS_MAX } from "../nat/uplink_rules.ts";
import {
  deleteDefault,
  describeHops,
  readOwnDefaults,
  replaceDefault,
  type WeightedHop,
} from "./multipath_route.ts";
import { type PolicyRule, ruleCommand } from "./policy_rule.ts";

/** The table all uplinks share; those of the single ones follow by slot. */
export const SHARED_TABLE = 7700;
/** Behind the rules a person would write, before the main table's 32766. */
const PRIORITY_SPECIFIC = 32400;
const PRIORITY_BOUND = 32400;
const PRIORITY_MARKED = 32500;
const PRIORITY_SHARED = 32600;
const PRIORITY_MAIN = 32766;

export interface SlottedDevice {
  device: string;
  /** From 1 to UPLINKS_MAX. */
  slot: number;
}

/** What the tables of one family shall hold. */
export interface WantedDefaults {
  /** By slot. */
  own: ReadonlyMap<number, NextHop>;
  shared: readonly WeightedHop[] | "keep";
}

export function isUplinkTable(table: string): boolean {
  return /^\d+$/.test(table) && Number(table) >= SHARED_TABLE &&
    Number(table) <= SHARED_TABLE + UPLINKS_MAX;
}

/**
 * The default routes of load balancing, in tables of their own: those of the main table stay as
 * they are, and whoever renews them (DHCP, router advertisements, a person) disturbs nothing and is
 * not disturbed. Rules say which table is for whom, in this order: the main table without its default
 * routes, so that known networks stay where they are; sockets bound to an uplink; connections that
 * began on one; and everything else, which the shared multipath route spreads.
 */
export class UplinkRoutes {
  readonly #changes = new Map<number, ChangeId | null>();

  constructor(
    readonly journal: HostJournal,
    readonly family: AddressFamily,
    readonly uplinks: readonly SlottedDevice[],
  ) {}

  /** Sends the machine's traffic to the tables; put the routes there first. */
  async enable(): Promise<void> {
    for (const rule of this.#rules()) {
      await this.journal.apply({
        kind: "command",
        argv: ruleCommand("add", rule),
        undo: ruleCommand("del", rule),
      });
    }
  }

  /**
   * Brings the tables to what is wanted, and again after the kernel took a route away with its link.
   * What cannot be done at present is returned as errors, and the rest is done.
   */
  async apply(wanted: WantedDefaults): Promise<Error[]> {
    const present = await readOwnDefaults(this.journal.runner, this.family);
    const errors: Error[] = [];
    const attempt = async (action: () => Promise<void>) => {
      try {
        await action();
      } catch (error) {
        if (!(error instanceof CommandError)) throw error;
        errors.push(error);
      }
    };
    for (const { slot } of this.uplinks) {
      const nextHop = wanted.own.get(slot);
      const table = SHARED_TABLE + slot;
      await attempt(() =>
        nextHop === undefined
          ? this.#remove(table)
          : this.#put(table, [{ nextHop, weight: 1 }], present)
      );
    }
    const { shared } = wanted;
    if (shared !== "keep") await attempt(() => this.#put(SHARED_TABLE, shared, present));
    return errors;
  }

  async #put(
    table: number,
    hops: readonly WeightedHop[],
    present: ReadonlyMap<number, string>,
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

  #rules(): PolicyRule[] {
    const { family } = this;
    return [
      { family, priority: PRIORITY_SPECIFIC, table: "main", suppressPrefixLength: 0 },
      ...this.uplinks.map(({ device, slot }) => ({
        family,
        priority: PRIORITY_BOUND + slot,
        boundTo: device,
        table: SHARED_TABLE + slot,
      })),
      ...this.uplinks.map(({ slot }) => ({
        family,
        priority: PRIORITY_MARKED + slot,
        mark: markWithMask(uplinkMark(slot)),
        table: SHARED_TABLE + slot,
      })),
      { family, priority: PRIORITY_SHARED, table: SHARED_TABLE },
    ];
  }
}

const RuleSchema = v.object({ priority: v.number(), table: v.optional(v.string(), "") });

/**
 * Makes sure that no other load balancing is at work here. Returns a notice about rules of others
 * that come after ours and so lose their traffic. Throws Error.
 */
export async function inspectRules(
  runner: CommandRunner,
  family: AddressFamily,
): Promise<string | null> {
  const rules = await runForList(runner, ["ip", `-${family}`, "-j", "rule", "show"], RuleSchema);
  if (rules.some(({ table }) => isUplinkTable(table))) {
    throw new Error(
      `Cannot balance: rules to the tables from ${SHARED_TABLE} on are there already; stop the ` +
        "other fluxify-client -l first",
    );
  }
  const later = rules.filter(({ priority }) =>
    priority >= PRIORITY_SPECIFIC && priority < PRIORITY_MAIN
  );
  if (later.length === 0) return null;
  const tables = later.map(({ priority, table }) => `${priority} (table ${table})`).join(", ");
  return `IPv${family} rules of another program come after ours and see only what we leave: ` +
    `${tables}; a VPN that sends everything into its tunnel does not do so now`;
}
