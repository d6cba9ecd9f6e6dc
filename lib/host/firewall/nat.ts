/**
 * Lets the clients of a server reach the Internet: their packets leave with the server's own address
 * (masquerading), and firewalls that forward nothing by default (Docker's) let the tunnel's packets
 * pass. Rules go in only where they are missing and are taken away by the journal. Start with
 * `enableNat`; `clampMss` then lowers the segment size of connections through the tunnel.
 */
import { DEFAULT_NETWORK } from "../../protocol/wire/tunnel_network.ts";
import { messageOf } from "../../ffi/error_text.ts";
import { MissingProgramError } from "../command/runner.ts";
import { checkInterfaceName } from "../links/network_interface.ts";
import type { HostJournal } from "../journal/host_journal.ts";
import { passForeignChains } from "./forward_pass.ts";
import {
  addIptablesRules,
  identifyIptables,
  type IptablesProgram,
  type IptablesVariant,
  programFor,
} from "./iptables.ts";
import { passLegacyTables } from "./legacy_pass.ts";
import { addNftTable } from "./nft.ts";

interface NatOptions {
  tun: string;
  /** The tunnel's networks: 10.8.0.0/24 and fd00:8::/64 unless given. */
  subnet4?: string;
  subnet6?: string;
  /** Interfaces clients may leave by; any but the tunnel unless given. */
  egress?: readonly string[];
  /** Not unless given. */
  clientsReachEachOther?: boolean;
}

/** What holds the rules. */
export type NatBackend = IptablesVariant | "nft";

interface NatResult {
  backend: NatBackend;
  /** For people: what could not be had and what that means. */
  notices: string[];
}

/** Throws when IPv4 cannot be masqueraded; IPv6 that cannot is a notice. */
export async function enableNat(journal: HostJournal, options: NatOptions): Promise<NatResult> {
  const { tun, subnet4 = DEFAULT_NETWORK.subnet4, subnet6 = DEFAULT_NETWORK.subnet6, egress = [] } =
    options;
  const { clientsReachEachOther = false } = options;
  const tunnel = { tun, subnet4, subnet6, clientsReachEachOther };
  for (const name of [tun, ...egress]) checkInterfaceName(name);
  for (const subnet of [subnet4, subnet6]) checkSubnet(subnet);

  const problem = await whyUnusable(journal, "iptables");
  if (problem !== null) {
    const notices = await addNftTable(journal, { tun, subnet4, subnet6, egress })
      .catch((error) => {
        throw error instanceof MissingProgramError
          ? new Error(`${problem}; ${error.message}`)
          : error;
      });
    notices.unshift(`${problem}; using nft instead`);
    notices.push(
      ...await passForeignChains(journal, { ...tunnel, iptables: "as any other" }),
      ...await passLegacyTables(journal, tunnel),
    );
    return { backend: "nft", notices };
  }
  const { variant, keepsRulesIn } = await identifyIptables(journal);
  await addIptablesRules(journal, variant, { tun, subnet: subnet4, egress, clientsReachEachOther });
  const notices: string[] = [];
  try {
    const program6 = programFor(variant, 6);
    const problem6 = await whyUnusable(journal, program6);
    if (problem6 !== null) throw new Error(problem6);
    await addIptablesRules(journal, program6, {
      tun,
      subnet: subnet6,
      egress,
      clientsReachEachOther,
    });
  } catch (error) {
    const reason = messageOf(error);
    notices.push(`clients reach the Internet over IPv4 only: ${reason}`);
  }
  const iptables = keepsRulesIn === "nft" ? "accept" : "as any other";
  notices.push(...await passForeignChains(journal, { ...tunnel, iptables }));
  if (keepsRulesIn === "nft") {
    notices.push(...await passLegacyTables(journal, tunnel));
  }
  return { backend: variant, notices };
}

/** Null when the program is there and the kernel knows its NAT table. */
export async function whyUnusable(
  journal: HostJournal,
  program: IptablesProgram,
): Promise<string | null> {
  try {
    const argv = [program, "-w", "5", "-t", "nat", "-S", "POSTROUTING"];
    const result = await journal.runner.run(argv);
    return result.code === 0 ? null : `${program} has no NAT here (${result.stderr.trim()})`;
  } catch (error) {
    if (error instanceof MissingProgramError) return error.message;
    throw error;
  }
}

function checkSubnet(subnet: string): void {
  if (/^[0-9a-fA-F.:]+\/\d{1,3}$/.test(subnet)) return;
  throw new RangeError(`"${subnet}" is not a network such as ${DEFAULT_NETWORK.subnet4}`);
}
