import type { CommandRunner } from "../command/runner.ts";
import { OWN_PROTOCOL } from "./gateway/routing_table.ts";
import type { AddressFamily } from "../links/address.ts";
import { markWithMask, uplinkMark, UPLINKS_MAX } from "../firewall/uplink_rules.ts";
import { type PolicyRule, readRules } from "./policy_rule.ts";

/** The tables of the single uplinks follow it, by slot. */
const TABLES = 7700;
/** Behind the rules a person would write, before the main table's 32766. */
const PRIORITY_SPECIFIC = 32400;
const PRIORITY_BOUND = 32400;
const PRIORITY_MARKED = 32500;

export interface SlottedDevice {
  device: string;
  /** From 1 to UPLINKS_MAX. */
  slot: number;
}

export function tableOf(slot: number): number {
  return TABLES + slot;
}

/**
 * Who uses the table of an uplink, in this order: nobody for known networks, which stay where the main
 * table has them; sockets bound to the uplink; and connections that began on it. Everything else goes
 * on to the main table.
 */
export function uplinkPolicy(
  family: AddressFamily,
  uplinks: readonly SlottedDevice[],
): PolicyRule[] {
  return [
    { family, priority: PRIORITY_SPECIFIC, table: "main", suppressPrefixLength: 0 },
    ...uplinks.map(({ device, slot }) => ({
      family,
      priority: PRIORITY_BOUND + slot,
      boundTo: device,
      table: tableOf(slot),
    })),
    ...uplinks.map(({ slot }) => ({
      family,
      priority: PRIORITY_MARKED + slot,
      mark: markWithMask(uplinkMark(slot)),
      table: tableOf(slot),
    })),
  ];
}

/** The priorities of the rules that are ours: a network manager may remove what it does not know. */
export async function ownPriorities(
  runner: CommandRunner,
  family: AddressFamily,
): Promise<Set<number>> {
  const rules = await readRules(runner, family);
  return new Set(
    rules.filter(({ protocol }) => protocol === OWN_PROTOCOL).map(({ priority }) => priority),
  );
}

/** Makes sure that no other load balancing is at work here. Throws Error. */
export async function refuseOtherBalancing(
  runner: CommandRunner,
  family: AddressFamily,
): Promise<void> {
  const rules = await readRules(runner, family);
  const isTaken = ({ table }: { table: string }) =>
    /^\d+$/.test(table) && Number(table) > TABLES && Number(table) <= tableOf(UPLINKS_MAX);
  if (!rules.some(isTaken)) return;
  throw new Error(
    `Cannot balance: rules to the tables from ${tableOf(1)} on are there already; stop the other ` +
      "fluxify-client -l first",
  );
}
