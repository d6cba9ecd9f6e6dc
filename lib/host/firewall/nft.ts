import { CommandError } from "../command/runner.ts";
import type { HostJournal } from "../journal/host_journal.ts";
import { baseChain, type OwnTable, tableText } from "./own_table.ts";

interface NftOptions {
  tun: string;
  subnet4: string;
  subnet6: string;
  /** Any interface but the tunnel when empty. */
  egress: readonly string[];
}

/** Family and name of the server's table. */
export const NFT_TABLE: OwnTable = ["inet", "fluxify"];
const LIST_TABLE = ["nft", "list", "table", ...NFT_TABLE];

/**
 * Masquerades in a table of our own, which goes as a whole. Returns notices for people. Throws when
 * IPv4 cannot be masqueraded or another server has the table.
 */
export async function addNftTable(journal: HostJournal, options: NftOptions): Promise<string[]> {
  if ((await journal.runner.run(LIST_TABLE)).code === 0) {
    throw new Error(
      `Cannot masquerade: the nft table ${NFT_TABLE.join(" ")} is there already; stop the other ` +
        `server, or remove what it left with "nft delete table ${NFT_TABLE.join(" ")}"`,
    );
  }
  const notices: string[] = [];
  const { subnet4, subnet6 } = options;
  try {
    await addTable(journal, options, [`ip saddr ${subnet4}`, `ip6 saddr ${subnet6}`]);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    await addTable(journal, options, [`ip saddr ${subnet4}`]);
    notices.push(`clients reach the Internet over IPv4 only: ${error.message}`);
  }
  return notices;
}

async function addTable(
  journal: HostJournal,
  { tun, egress }: NftOptions,
  sources: readonly string[],
): Promise<void> {
  const way = egress.length === 0
    ? `oifname != "${tun}"`
    : `oifname { ${egress.map((name) => `"${name}"`).join(", ")} }`;
  const chain = baseChain(
    "postrouting",
    "nat hook postrouting priority 100; policy accept",
    sources.map((source) => `${source} ${way} masquerade comment "fluxify"`),
  );
  await journal.apply({
    kind: "command",
    argv: ["nft", "-f", "-"],
    input: tableText(NFT_TABLE, [chain]),
    undo: ["nft", "delete", "table", ...NFT_TABLE],
    check: ["nft", "list", "chain", ...NFT_TABLE, "postrouting"],
  });
}
