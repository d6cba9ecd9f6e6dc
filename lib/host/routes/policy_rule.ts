import { OWN_PROTOCOL } from "./gateway/routing_table.ts";
import { type AddressFamily, hostPrefix } from "../links/address.ts";
import { checkInterfaceName } from "../links/network_interface.ts";

/** A rule of the routing policy, as `ip rule` has it. */
export interface PolicyRule {
  family: AddressFamily;
  /** Lower goes first. */
  priority: number;
  table: number | "main";
  /** Value and mask of the mark it is for: 0x1000000/0x3f000000. */
  mark?: string;
  /** For sockets bound to this interface. */
  boundTo?: string;
  /** For packets from this address. */
  from?: string;
  /** Passes over routes that are this long or shorter: 0 for default routes. */
  suppressPrefixLength?: number;
}

/** The `ip` command that adds or deletes exactly this rule. */
export function ruleCommand(verb: "add" | "del", rule: PolicyRule): string[] {
  const { family, priority, table, mark, boundTo, from, suppressPrefixLength } = rule;
  return [
    ...["ip", `-${family}`, "rule", verb, "priority", String(priority)],
    ...(from === undefined ? [] : ["from", hostPrefix(from)]),
    ...(mark === undefined ? [] : ["fwmark", mark]),
    ...(boundTo === undefined ? [] : ["oif", checkInterfaceName(boundTo)]),
    ...["table", String(table)],
    ...(suppressPrefixLength === undefined
      ? []
      : ["suppress_prefixlength", String(suppressPrefixLength)]),
    ...["protocol", OWN_PROTOCOL],
  ];
}
