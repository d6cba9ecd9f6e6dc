import type { AddressFamily } from "../links/address.ts";
import type { HostJournal } from "../journal/host_journal.ts";
import { applyOwnTable, baseChain } from "./own_table.ts";
import {
  type NatUplink,
  OTHERS_MARK_MASK,
  UPLINK_MARK_MASK,
  UPLINK_TAG,
  uplinkMark,
} from "./uplink_rules.ts";

const TABLE = "fluxify_balance";
const MASK = `0x${UPLINK_MARK_MASK.toString(16)}`;
const OTHERS = `0x${OTHERS_MARK_MASK.toString(16)}`;
const NOT_MARKED_BY_OTHERS = `meta mark and ${OTHERS} == 0x0`;
const UNMARKED = `ct mark and ${MASK} == 0x0`;

/** Does what the rules of iptables do, in a table of our own that comes and goes as a whole. */
export class UplinkTable {
  readonly #journal: HostJournal;
  readonly #family: AddressFamily;
  /** Empty as long as there is none. */
  #asMade = "";

  constructor(journal: HostJournal, family: AddressFamily) {
    this.#journal = journal;
    this.#family = family;
  }

  /** Brings the table to these uplinks, in one step. Throws Error, the one before in force. */
  async follow(uplinks: readonly NatUplink[]): Promise<void> {
    const kind = kindOf(this.#family);
    const chains = uplinkChains(this.#family, uplinks);
    if (chains.join() === this.#asMade) return;
    const list = ["nft", "list", "table", kind, TABLE];
    if (this.#asMade === "" && (await this.#journal.runner.run(list)).code === 0) {
      throw new Error(
        `Cannot balance: the nft table ${kind} ${TABLE} is there already; remove it with ` +
          `"nft delete table ${kind} ${TABLE}"`,
      );
    }
    await applyOwnTable(this.#journal, [kind, TABLE], chains);
    this.#asMade = chains.join();
  }
}

function kindOf(family: AddressFamily): "ip" | "ip6" {
  return family === 4 ? "ip" : "ip6";
}

/** The chains of the table as nft reads them. */
export function uplinkChains(family: AddressFamily, uplinks: readonly NatUplink[]): string[] {
  const kind = kindOf(family);
  const existing = uplinks.flatMap((uplink) =>
    uplink.addresses.map((address) =>
      `${UNMARKED} ct state established,related ct reply ${kind} daddr ${address} ${keep(uplink)}`
    )
  );
  // Of a connection from before the rules the first packet seen is no SYN.
  const midStream = uplinks.flatMap((uplink) =>
    uplink.addresses.map((address) =>
      `${kind} saddr ${address} tcp flags & (fin | syn | rst | ack) != syn ${UNMARKED} ` +
      keep(uplink)
    )
  );
  const entering = uplinks.map((uplink) =>
    `iifname "${uplink.device}" ${UNMARKED} ${keep(uplink)}`
  );
  const leaving = uplinks.map((uplink) => `oifname "${uplink.device}" ${UNMARKED} ${keep(uplink)}`);
  const restored = uplinks.map(({ slot }) =>
    `ct mark and ${MASK} == ${hex(slot)} meta mark set meta mark and ${OTHERS} or ${hex(slot)}`
  );
  const masqueraded = uplinks.map(({ device, source }) =>
    `oifname "${device}" ${source === null ? "masquerade" : `snat to ${source}`} ` +
    `comment "${UPLINK_TAG}"`
  );
  return [
    baseChain("prerouting", "filter hook prerouting priority -150", [
      ...existing,
      ...entering,
      ...restored,
    ]),
    baseChain("output", "route hook output priority -150", [
      ...existing,
      ...midStream,
      ...restored.map((rule) => `${NOT_MARKED_BY_OTHERS} ${rule}`),
    ]),
    baseChain("postrouting", "filter hook postrouting priority -150", leaving),
    baseChain("masquerade_uplinks", "nat hook postrouting priority 100", masqueraded),
  ];
}

function keep({ slot }: NatUplink): string {
  return `ct mark set ct mark and ${OTHERS} or ${hex(slot)}`;
}

function hex(slot: number): string {
  return `0x${uplinkMark(slot).toString(16)}`;
}
