/**
 * A client that is a router: what it forwards into the tunnel has the sources of the network behind
 * it, and the server takes the client's own, and those that it routes to this client. So all others
 * leave with the client's address. TCP is told to send what fits into the tunnel.
 */
import { type AddressFamily, FAMILIES, familyOf } from "../links/address.ts";
import { checkInterfaceName, listInterfaces } from "../links/network_interface.ts";
import type { ChangeId, HostJournal } from "../journal/host_journal.ts";
import { enableForwarding } from "../sysctl/forwarding.ts";
import type { Rule } from "./iptables.ts";
import { SYN_IPTABLES, SYN_NFT } from "./mss_clamp.ts";
import { baseChain, FORWARD_PRIORITY, SOURCE_NAT_PRIORITY } from "./own_table.ts";
import { applyTableOrRules } from "./table_or_rules.ts";

/** "auto" shares where the machine forwards anyway; names: with the networks of these interfaces. */
export type ShareMode = "on" | "off" | "auto" | readonly string[];

const SHARE_TAG = "fluxify-share";
const FORWARDING: Record<AddressFamily, string> = {
  4: "net/ipv4/ip_forward",
  6: "net/ipv6/conf/all/forwarding",
};
const MANGLE_PRIORITY = -150;

interface Shared {
  isShared: boolean;
  /** For people: what could not be had. */
  notices: string[];
}

export class TunnelShare {
  readonly #journal: HostJournal;
  readonly #tun: string;
  readonly #mode: ShareMode;
  #isShared = false;
  /** Families that the machine did not forward by itself. */
  #newlyForwarded: readonly AddressFamily[] = [];
  #routed: readonly string[] = [];
  #changes: readonly ChangeId[] = [];

  /** Throws InterfaceError for a name no rule can have. */
  constructor(journal: HostJournal, tun: string, mode: ShareMode) {
    checkInterfaceName(tun);
    if (typeof mode !== "string") { for (const name of mode) checkInterfaceName(name); }
    this.#journal = journal;
    this.#tun = tun;
    this.#mode = mode;
  }

  /**
   * Lets the network use the tunnel; "on" and names switch forwarding on, too. Undone by the journal.
   * @param routed prefixes behind this machine that leave as they are. @throws CommandError when
   * forwarding cannot be switched on.
   */
  async start(routed: readonly string[] = []): Promise<Shared> {
    const mode = this.#mode;
    const without = await this.#withoutForwarding();
    const isWanted = mode === "auto" ? without.length < FAMILIES.length : mode !== "off";
    if (!isWanted) return { isShared: false, notices: [] };
    const notices = mode === "auto" ? [] : await enableForwarding(this.#journal, this.#tun);
    if (typeof mode !== "string") this.#newlyForwarded = without;
    this.#isShared = true;
    this.#routed = routed;
    notices.push(...await this.#apply());
    notices.push(...await this.#absentInterfaces());
    return { isShared: true, notices };
  }

  /** Names that no interface has now; rules go by name, so one that comes is shared. */
  async #absentInterfaces(): Promise<string[]> {
    if (typeof this.#mode === "string") return [];
    const present = await listInterfaces(this.#journal.runner);
    return this.#mode.filter((name) => present.every((one) => one.name !== name)).map((name) =>
      `-share names ${name}, and this machine has no such interface now: what is behind it uses the ` +
      "tunnel once it is there"
    );
  }

  /** The server routes these prefixes to this machine from now on. Returns notices for people. */
  async follow(routed: readonly string[]): Promise<string[]> {
    if (!this.#isShared || routed.join() === this.#routed.join()) return [];
    this.#routed = routed;
    return await this.#apply();
  }

  async #withoutForwarding(): Promise<AddressFamily[]> {
    const { sysctl } = this.#journal;
    const values = await Promise.all(FAMILIES.map((family) => sysctl.read(FORWARDING[family])));
    return FAMILIES.filter((_family, index) => (values[index] ?? "0") === "0");
  }

  async #apply(): Promise<string[]> {
    const before = this.#changes;
    const { how, changes, without } = await applyTableOrRules(this.#journal, {
      table: ["inet", `fluxify_share_${this.#tun}`],
      chains: this.#chains(),
      rules: (family) => this.#rules(family),
    });
    this.#changes = changes;
    for (const id of [...before].reverse()) {
      // The table took the place of the one before; rules stand beside those before.
      if (how === "table") await this.#journal.settle(id);
      else if (!changes.includes(id)) await this.#journal.undo(id);
    }
    const notices = without.map(({ family, reason }) =>
      `the network behind this machine has no IPv${family} through the tunnel: it can be ` +
      `masqueraded ${reason}`
    );
    if (how === "rules" && typeof this.#mode !== "string") {
      notices.push(
        `without nft all that this machine forwards shares the tunnel, not ${
          this.#mode.join(", ")
        } ` +
          "alone: install nftables",
      );
    }
    return notices;
  }

  #chains(): string[] {
    const tun = `"${this.#tun}"`;
    const shared = typeof this.#mode === "string" ? null : quoted(this.#mode);
    const entering = shared === null ? "" : `iifname { ${shared} } `;
    const asTheyAre = FAMILIES.flatMap((family) => {
      const prefixes = this.#routedBy(family);
      if (prefixes.length === 0) return [];
      const saddr = family === 4 ? "ip saddr" : "ip6 saddr";
      return [`${saddr} { ${prefixes.join(", ")} } oifname ${tun} accept`];
    });
    const chains = [
      baseChain(
        "postrouting",
        `nat hook postrouting priority ${SOURCE_NAT_PRIORITY}; policy accept`,
        [
          ...asTheyAre,
          `${entering}oifname ${tun} masquerade comment "${SHARE_TAG}"`,
        ],
      ),
      baseChain(
        "clamp_mss",
        `filter hook forward priority ${MANGLE_PRIORITY}; policy accept`,
        ["oifname", "iifname"].map((side) =>
          `${side} ${tun} ${SYN_NFT} tcp option maxseg size set rt mtu`
        ),
      ),
    ];
    if (shared === null || this.#newlyForwarded.length === 0) return chains;
    // Forwarding is on for this alone: no other network of the machine may meet another by it.
    const forward = [
      `iifname { ${shared} } oifname ${tun} accept`,
      `iifname ${tun} oifname { ${shared} } accept`,
      ...this.#newlyForwarded.map((family) => `meta nfproto ipv${family} drop`),
    ];
    const type = `filter hook forward priority ${FORWARD_PRIORITY}; policy accept`;
    return [...chains, baseChain("forward", type, forward)];
  }

  #rules(family: AddressFamily): Rule[] {
    const own = { tag: SHARE_TAG, place: "last" } as const;
    const tun = this.#tun;
    const nat = { ...own, table: "nat", chain: "POSTROUTING" } as const;
    return [
      ...this.#routedBy(family).map((prefix): Rule => ({
        ...{ ...nat, match: ["-s", prefix, "-o", tun], target: ["ACCEPT"] },
      })),
      { ...nat, match: ["-o", tun], target: ["MASQUERADE"] },
      ...["-o", "-i"].map((side): Rule => ({
        ...{ ...own, table: "mangle", chain: "FORWARD", match: [side, tun, ...SYN_IPTABLES] },
        target: ["TCPMSS", "--clamp-mss-to-pmtu"],
      })),
    ];
  }

  #routedBy(family: AddressFamily): string[] {
    return this.#routed.filter((prefix) => familyOf(prefix.split("/")[0]!) === family);
  }
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}
