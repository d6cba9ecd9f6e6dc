/**
 * Policy rules that are for a part of the traffic: of one user, with one mark, from one source, to
 * one port. To ask the kernel where that part goes, a question for each such rule.
 */
import { type AddressFamily, familyOf, prefixContains } from "../links/address.ts";
import { OWN_PROTOCOL } from "./gateway/routing_table.ts";
import type { KernelRule } from "./policy_rule.ts";

/** The main table's own rule; what comes behind it gets only what no route there takes. */
const PRIORITY_MAIN = 32766;
/** Each costs a command at every look. */
const QUESTIONS_MAX = 16;

interface SelectedTraffic {
  /** For people: "with the mark 0x5". */
  name: string;
  /** What `ip route get` has to be told. */
  selector: readonly string[];
}

/**
 * The parts of the traffic for which somebody else's rule comes before the main table. Left out are
 * rules for sockets that are bound to an interface or to the address of one, which ask for that
 * link, and rules for forwarded packets. `ownSources` are the machine's addresses in the tunnel.
 */
export function selectedTraffic(
  rules: readonly KernelRule[],
  family: AddressFamily,
  ownSources: readonly string[],
): SelectedTraffic[] {
  const found = new Map<string, SelectedTraffic>();
  for (const rule of rules) {
    if (rule.priority >= PRIORITY_MAIN || rule.protocol === OWN_PROTOCOL) continue;
    if (rule.iif !== undefined || rule.oif !== undefined) continue;
    const source = sourceIn(rule, family, ownSources);
    if (source === null) continue;
    const words = [
      ["from", "from", source],
      ["mark", "with the mark", rule.fwmark],
      ["uid", "of the user", rule.uid_start],
      ["ipproto", "of the protocol", rule.ipproto],
      ["sport", "from the port", rule.sport ?? rule.sport_start],
      ["dport", "to the port", rule.dport ?? rule.dport_start],
    ].filter(([, , value]) => value !== undefined);
    if (words.length === 0) continue; // for everything: seen without a selector
    const name = words.map(([, text, value]) => `${text} ${value}`).join(" ");
    if (!found.has(name) && found.size < QUESTIONS_MAX) {
      found.set(name, {
        name,
        selector: words.flatMap(([key, , value]) => [key!, `${value}`] as string[]),
      });
    }
  }
  return [...found.values()];
}

/** Undefined for a rule for all sources, null for one that has none of `ownSources`. */
function sourceIn(
  { src, srclen }: KernelRule,
  family: AddressFamily,
  ownSources: readonly string[],
): string | undefined | null {
  if (src === "all") return undefined;
  const prefix = `${src}/${srclen ?? (family === 4 ? 32 : 128)}`;
  return ownSources.find((own) => familyOf(own) === family && prefixContains(prefix, own)) ?? null;
}
