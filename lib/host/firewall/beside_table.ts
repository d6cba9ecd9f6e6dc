/**
 * What goes beside the tunnel by its cgroup or its mark, as the firewall sees it: packets of a cgroup
 * get a mark, by which they are routed anew, and what leaves with the tunnel's address gets that of
 * the link it leaves over. A table of nft of our own, for both families.
 */
import type { ChangeId, HostJournal } from "../journal/host_journal.ts";
import { checkInterfaceName } from "../links/network_interface.ts";
import type { Cgroup } from "./cgroup.ts";
import { applyOwnTable, baseChain, type OwnTable, SOURCE_NAT_PRIORITY } from "./own_table.ts";
import { BESIDE_MARK, markMatch, type TrafficMark } from "./traffic_mark.ts";

/** Before the routes of what is sent are looked up anew. */
const MARK_PRIORITY = -150;

export class BesideTable {
  readonly #journal: HostJournal;
  readonly #tun: string;
  #change: ChangeId | null = null;
  #inForce = "";

  /** Throws InterfaceError for a name no rule can have. */
  constructor(journal: HostJournal, tun: string) {
    this.#journal = journal;
    this.#tun = checkInterfaceName(tun);
  }

  /**
   * Makes these the only ones, in one step. Throws CommandError when nft refuses it, the ones before in
   * force; MissingProgramError without nft.
   */
  async follow(marks: readonly TrafficMark[], cgroups: readonly Cgroup[]): Promise<void> {
    const chains = besideChains(this.#tun, marks, cgroups);
    // A cgroup that was made anew has the same path, and is another one.
    const wanted = JSON.stringify([chains, cgroups.map(({ id }) => id)]);
    if (wanted === this.#inForce) return;
    const before = this.#change;
    const table: OwnTable = ["inet", `fluxify_beside_${this.#tun}`];
    this.#change = await applyOwnTable(this.#journal, table, chains);
    if (before !== null) await this.#journal.settle(before);
    this.#inForce = wanted;
  }
}

/** The chains as nft reads them. */
function besideChains(
  tun: string,
  marks: readonly TrafficMark[],
  cgroups: readonly Cgroup[],
): string[] {
  const bit = `0x${BESIDE_MARK.value.toString(16)}`;
  return [
    baseChain(
      "output",
      `route hook output priority ${MARK_PRIORITY}; policy accept`,
      cgroups.map(({ level, nftPath }) =>
        `socket cgroupv2 level ${level} "${nftPath}" meta mark set meta mark or ${bit}`
      ),
    ),
    baseChain(
      "postrouting",
      `nat hook postrouting priority ${SOURCE_NAT_PRIORITY}; policy accept`,
      marks.map((mark) =>
        `${markMatch(mark)} oifname != { "lo", "${tun}" } fib saddr . oif type != local masquerade`
      ),
    ),
  ];
}
