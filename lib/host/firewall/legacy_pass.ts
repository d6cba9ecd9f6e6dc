import { messageOf } from "../../ffi/error_text.ts";
import type { HostJournal } from "../journal/host_journal.ts";
import { addRules, forwardRules, type IptablesProgram } from "./iptables.ts";

interface LegacyPassOptions {
  tun: string;
  subnet4: string;
  subnet6: string;
  clientsReachEachOther: boolean;
}

/** The tables of the older iptables in use here, one name a line. Looking makes none. */
const FAMILIES = [
  { program: "iptables-legacy", tables: "/proc/net/ip_tables_names", subnet: "subnet4" },
  { program: "ip6tables-legacy", tables: "/proc/net/ip6_tables_names", subnet: "subnet6" },
] as const;

/**
 * Lets the tunnel's packets pass the FORWARD chain of the older iptables, where somebody (Docker, as
 * a rule) uses that beside what `iptables` means here: neither of the two sees the other's rules, and
 * a packet has to pass both. Tables nobody uses stay unused. Undone by the journal. Returns notices
 * for people about what could not be done.
 */
export async function passLegacyTables(
  journal: HostJournal,
  options: LegacyPassOptions,
): Promise<string[]> {
  const notices: string[] = [];
  for (const { program, tables, subnet } of FAMILIES) {
    if (!await hasFilterTable(journal, tables)) continue;
    try {
      if (await letsAllPass(journal, program)) continue;
      const rules = forwardRules({ ...options, subnet: options[subnet] });
      await addRules(journal, program, rules);
    } catch (error) {
      const reason = messageOf(error);
      notices.push(
        `the firewall may drop the clients' packets in the FORWARD chain of ${program}: let those ` +
          `of ${options.tun} pass there (${reason})`,
      );
    }
  }
  return notices;
}

async function hasFilterTable(journal: HostJournal, tables: string): Promise<boolean> {
  const { stdout } = await journal.runner.run(["cat", tables]);
  return stdout.split("\n").includes("filter");
}

async function letsAllPass(journal: HostJournal, program: IptablesProgram): Promise<boolean> {
  const list = [program, "-w", "5", "-t", "filter", "-S", "FORWARD"];
  return (await journal.runner.run(list)).stdout.trim() === "-P FORWARD ACCEPT";
}
