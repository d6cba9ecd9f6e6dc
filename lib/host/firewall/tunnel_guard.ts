/**
 * Keeps strangers out of the tunnel, in a table of nft of our own, or with rules of iptables where
 * there is no nft. What one firewall accepts another may still drop, so it stands beside all others.
 *
 * - Nobody on the machine's own links reaches the addresses inside the tunnel: a host on the same
 *   network could otherwise put packets into connections in there without any key (CVE-2019-14899).
 * - On a server only what belongs to connections that clients opened is forwarded to them, and what
 *   the machine itself redirects (port forwarding); and clients do not reach each other unless told.
 */
import { type AddressFamily, familyOf } from "../links/address.ts";
import { checkInterfaceName } from "../links/network_interface.ts";
import type { HostJournal } from "../journal/host_journal.ts";
import type { Rule } from "./iptables.ts";
import { baseChain, FORWARD_PRIORITY } from "./own_table.ts";
import { applyTableOrRules } from "./table_or_rules.ts";

interface GuardOptions {
  tun: string;
  /** This machine's own, inside the tunnel. */
  addresses: readonly string[];
  /** What may be forwarded to the tunnel; "anything" leaves that to other firewalls. */
  forwarded: "anything" | "what clients asked for" | "what clients asked for, and each other";
  /** Prefixes behind clients, to which connections may be opened from this side as well. */
  behindClients?: readonly string[];
}

/** Before connections are tracked. */
const RAW_PRIORITY = -300;
const GUARD_TAG = "fluxify-guard";

/**
 * Puts the guard in force, in the place of an earlier one of the same device. Rules of iptables for
 * earlier addresses and prefixes stay until the end: nobody has those addresses any more, and nothing
 * leads to those prefixes. Undone by the journal. Returns notices for people about what could not be
 * guarded.
 */
export async function guardTunnel(
  journal: HostJournal,
  options: GuardOptions,
): Promise<string[]> {
  checkInterfaceName(options.tun);
  const { without } = await applyTableOrRules(journal, {
    table: ["inet", `fluxify_guard_${options.tun}`],
    chains: guardChains(options),
    rules: (family) => guardRules(family, options),
  });
  return without.map(({ family, reason }) =>
    `cannot keep hosts on the machine's own links away from the tunnel's IPv${family} addresses: ` +
    reason
  );
}

/** The chains of the table as nft reads them. */
export function guardChains(
  { tun, addresses, forwarded, behindClients = [] }: GuardOptions,
): string[] {
  const entering = addresses.map((address) =>
    `iifname != { "${tun}", "lo" } ${familyOf(address) === 4 ? "ip" : "ip6"} daddr ${address} ` +
    "fib saddr type != local drop"
  );
  const among = forwarded === "what clients asked for, and each other" ? "accept" : "drop";
  const crossing = [
    `oifname "${tun}" ct status dnat accept`,
    `iifname "${tun}" oifname "${tun}" ${among}`,
    ...behindClients.map((prefix) =>
      `oifname "${tun}" ${prefix.includes(":") ? "ip6" : "ip"} daddr ${prefix} accept`
    ),
    `oifname "${tun}" ct state new,invalid drop`,
  ];
  const entry = baseChain(
    "prerouting",
    `filter hook prerouting priority ${RAW_PRIORITY}; policy accept`,
    entering,
  );
  if (forwarded === "anything") return [entry];
  const type = `filter hook forward priority ${FORWARD_PRIORITY}; policy accept`;
  return [entry, baseChain("forward", type, crossing)];
}

/** In the order they are added: each chain ends up with the last of them on top. */
export function guardRules(family: AddressFamily, options: GuardOptions): Rule[] {
  const { tun, addresses, forwarded, behindClients = [] } = options;
  const entering = addresses.filter((address) => familyOf(address) === family)
    .map((address): Rule => ({
      table: "raw",
      chain: "PREROUTING",
      place: "first",
      match: ["!", "-i", tun, "-d", address, "-m", "addrtype", "!", "--src-type", "LOCAL"],
      tag: GUARD_TAG,
      target: ["DROP"],
    }));
  if (forwarded === "anything") return entering;
  const drop = (match: readonly string[]): Rule => ({
    table: "mangle",
    chain: "FORWARD",
    place: "first",
    match,
    tag: GUARD_TAG,
    target: ["DROP"],
  });
  const notRedirected = ["-m", "conntrack", "!", "--ctstate", "DNAT"];
  const unasked = ["-m", "conntrack", "--ctstate", "NEW,INVALID"];
  return [
    ...entering,
    drop(["!", "-i", tun, "-o", tun, ...unasked, ...notRedirected]),
    ...forwarded === "what clients asked for"
      ? [drop(["-i", tun, "-o", tun, ...notRedirected])]
      : [],
    ...behindClients.filter((prefix) => familyOf(prefix.split("/")[0]!) === family)
      .map((prefix) => ({
        ...drop(["!", "-i", tun, "-o", tun, "-d", prefix]),
        target: ["ACCEPT"],
      })),
  ];
}
