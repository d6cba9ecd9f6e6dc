import * as v from "valibot";
import { type CommandRunner, runForList } from "../command/runner.ts";
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
  /** For packets of this machine's own that leave from this port. */
  own?: { protocol: "tcp" | "udp"; port: number };
  /** Passes over routes that are this long or shorter: 0 for default routes. */
  suppressPrefixLength?: number;
}

/** The `ip` command that adds or deletes exactly this rule. */
export function ruleCommand(verb: "add" | "del", rule: PolicyRule): string[] {
  const { family, priority, table, mark, boundTo, from, own, suppressPrefixLength } = rule;
  return [
    ...["ip", `-${family}`, "rule", verb, "priority", String(priority)],
    ...(from === undefined ? [] : ["from", hostPrefix(from)]),
    ...(mark === undefined ? [] : ["fwmark", mark]),
    ...(boundTo === undefined ? [] : ["oif", checkInterfaceName(boundTo)]),
    ...(own === undefined ? [] : ["iif", "lo", "ipproto", own.protocol, "sport", String(own.port)]),
    ...["table", String(table)],
    ...(suppressPrefixLength === undefined
      ? []
      : ["suppress_prefixlength", String(suppressPrefixLength)]),
    ...["protocol", OWN_PROTOCOL],
  ];
}

const Port = v.optional(v.number());
const RuleSchema = v.object({
  priority: v.number(),
  table: v.string(),
  protocol: v.optional(v.string()),
  src: v.optional(v.string(), "all"),
  srclen: v.optional(v.number()),
  fwmark: v.optional(v.string()),
  uid_start: v.optional(v.number()),
  ipproto: v.optional(v.string()),
  sport: Port,
  sport_start: Port,
  dport: Port,
  dport_start: Port,
  iif: v.optional(v.string()),
  oif: v.optional(v.string()),
});

/** A rule as the kernel has it, in the words of `ip -j rule`. */
export type KernelRule = v.InferOutput<typeof RuleSchema>;

/** The rules that lead to a table, first those that come first. Throws CommandError. */
export function readRules(runner: CommandRunner, family: AddressFamily): Promise<KernelRule[]> {
  return runForList(runner, ["ip", `-${family}`, "-j", "rule", "show"], RuleSchema);
}
