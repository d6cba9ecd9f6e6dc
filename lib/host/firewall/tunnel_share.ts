/**
 * A client that is a router: what it forwards into the tunnel has the sources of the network behind
 * it, and the server takes none but the client's own. So it leaves with the client's address.
 */
import { checkInterfaceName } from "../links/network_interface.ts";
import type { HostJournal } from "../journal/host_journal.ts";
import { enableForwarding } from "../sysctl/forwarding.ts";
import type { Rule } from "./iptables.ts";
import { baseChain } from "./own_table.ts";
import { applyTableOrRules } from "./table_or_rules.ts";

/** "auto" shares where the machine forwards anyway. */
export type ShareMode = "on" | "off" | "auto";

const SHARE_TAG = "fluxify-share";

interface Shared {
  isShared: boolean;
  /** For people: what could not be had. */
  notices: string[];
}

/**
 * Masquerades what is forwarded into the device `tun`; "on" switches forwarding on, too. Undone by the
 * journal. Throws when forwarding cannot be switched on.
 */
export async function shareTunnel(
  journal: HostJournal,
  tun: string,
  mode: ShareMode,
): Promise<Shared> {
  checkInterfaceName(tun);
  const isWanted = mode === "on" || (mode === "auto" && await forwards(journal));
  if (!isWanted) return { isShared: false, notices: [] };
  const notices = mode === "on" ? await enableForwarding(journal, tun) : [];
  notices.push(...await masquerade(journal, tun));
  return { isShared: true, notices };
}

async function forwards({ sysctl }: HostJournal): Promise<boolean> {
  const values = await Promise.all(
    ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"].map((path) => sysctl.read(path)),
  );
  return values.some((value) => value !== null && value !== "0");
}

async function masquerade(journal: HostJournal, tun: string): Promise<string[]> {
  const rule: Rule = {
    table: "nat",
    chain: "POSTROUTING",
    place: "last",
    match: ["-o", tun],
    tag: SHARE_TAG,
    target: ["MASQUERADE"],
  };
  const { without } = await applyTableOrRules(journal, {
    table: ["inet", `fluxify_share_${tun}`],
    chains: [
      baseChain("postrouting", "nat hook postrouting priority 100; policy accept", [
        `oifname "${tun}" masquerade comment "${SHARE_TAG}"`,
      ]),
    ],
    rules: () => [rule],
  });
  return without.map(({ family, reason }) =>
    `the network behind this machine has no IPv${family} through the tunnel: it can be ` +
    `masqueraded ${reason}`
  );
}
