import type { AddressFamily } from "../links/address.ts";
import { checkInterfaceName } from "../links/network_interface.ts";
import type { HostJournal } from "../journal/host_journal.ts";
import { identifyIptables, programFor } from "./iptables.ts";
import { whyUnusable } from "./nat.ts";
import { UplinkTable } from "./uplink_nft.ts";
import { type NatUplink, UplinkRules } from "./uplink_rules.ts";

/**
 * Masquerades what leaves on each uplink, and marks each connection with the uplink it began on, by
 * iptables, or by nft without it. Undone by the journal.
 */
export class UplinkNat {
  readonly #journal: HostJournal;
  readonly #family: AddressFamily;
  #backend: UplinkRules | UplinkTable | null = null;

  constructor(journal: HostJournal, family: AddressFamily) {
    this.#journal = journal;
    this.#family = family;
  }

  /**
   * Adds what is missing for these uplinks; none of before may be left out. Returns a notice for
   * people, or null. Throws, with everything as before, when neither firewall can do it.
   */
  async follow(uplinks: readonly NatUplink[]): Promise<string | null> {
    for (const { device } of uplinks) checkInterfaceName(device);
    const notice = this.#backend === null ? await this.#choose() : null;
    await this.#backend!.follow(uplinks);
    return notice;
  }

  async #choose(): Promise<string | null> {
    const program = programFor((await identifyIptables(this.#journal)).variant, this.#family);
    const problem = await whyUnusable(this.#journal, program);
    this.#backend = problem === null
      ? new UplinkRules(this.#journal, program)
      : new UplinkTable(this.#journal, this.#family);
    return problem === null ? null : `${problem}; using nft instead`;
  }
}
