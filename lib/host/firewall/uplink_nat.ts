import type { AddressFamily } from "../links/address.ts";
import { checkInterfaceName } from "../links/network_interface.ts";
import type { HostJournal } from "../journal/host_journal.ts";
import { identifyIptables, programFor } from "./iptables.ts";
import { whyUnusable } from "./nat.ts";
import { addUplinkTable } from "./uplink_nft.ts";
import { addUplinkRules, type NatUplink } from "./uplink_rules.ts";

/**
 * Masquerades what leaves on each uplink, and marks each connection with the uplink it began on, by
 * iptables, or by nft without it. Undone by the journal. Returns a notice for people, or null.
 * Throws, with everything as before, when neither can be had.
 */
export async function enableUplinkNat(
  journal: HostJournal,
  family: AddressFamily,
  uplinks: readonly NatUplink[],
): Promise<string | null> {
  for (const { device } of uplinks) checkInterfaceName(device);
  const program = programFor((await identifyIptables(journal)).variant, family);
  const problem = await whyUnusable(journal, program);
  if (problem === null) {
    await addUplinkRules(journal, program, uplinks);
    return null;
  }
  await addUplinkTable(journal, family, uplinks);
  return `${problem}; using nft instead`;
}
