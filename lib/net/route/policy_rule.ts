import type { AddressFamily } from "../interface/address.ts";
import { checkInterfaceName } from "../interface/network_interface.ts";
import { OWN_PROTOCOL } from "./multipath_route.ts";

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
  /** Passes over routes that are this long or shorter: 0 for default routes. */
  suppressPrefixLength?: number;
}

/** The `ip` command that adds or deletes exactly this rule. */
export function ruleCommand(verb: "add" | "del", rule: PolicyRule): string[] {
  const { family, priority, table, mark, boundTo, suppressPrefixLength } = rule;
  return [
    ...["ip", `-${family}`, "rule", verb, "priority", String(priority)],
    ...(mark === undefined ? [] : ["fwmark", mark]),
    ...(boundTo === undefined ? [] : ["oif", checkInterfaceName(boundTo)]),
    ...["table", String(table)],
    ...(suppressPrefixLength === undefined
      ? []
      : ["suppress_prefixlength", String(suppressPrefixLength)]),
    ...["protocol", OWN_PROTOCOL],
  ];
}
