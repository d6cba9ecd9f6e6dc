import type { ChangeId, HostJournal } from "../journal/host_journal.ts";

/** After destinations were translated, before the firewalls' own chains. */
export const FORWARD_PRIORITY = -10;
/** That of the kernel's own source NAT. */
export const SOURCE_NAT_PRIORITY = 100;

/** A table of nft of our own: family and name. */
export type OwnTable = readonly [family: "inet" | "ip" | "ip6", name: string];

/**
 * Puts a table with these chains in force, in the place of one of the same name that a program left.
 * It comes and goes as a whole, and is put back when another program removes it. Throws CommandError
 * when nft refuses it, MissingProgramError without nft.
 */
export async function applyOwnTable(
  journal: HostJournal,
  table: OwnTable,
  chains: readonly string[],
): Promise<ChangeId | null> {
  return await journal.apply({
    kind: "command",
    argv: ["nft", "-f", "-"],
    input: ownTableText(table, chains),
    undo: ["nft", "delete", "table", ...table],
    check: ["nft", "list", "table", ...table],
  });
}

/** As tableText(), in the place of the table that may be there. */
function ownTableText(table: OwnTable, chains: readonly string[]): string {
  const name = table.join(" ");
  // To be deleted it has to be there.
  return `table ${name}\ndelete table ${name}\n${tableText(table, chains)}`;
}

/** A table as nft reads it; each chain is a text of its own lines. */
export function tableText(table: OwnTable, chains: readonly string[]): string {
  return [`table ${table.join(" ")} {`, ...chains, "}", ""].join("\n");
}

/** A base chain: what `type` says, and its rules. */
export function baseChain(name: string, type: string, rules: readonly string[]): string {
  const lines = [`type ${type};`, ...rules].map((line) => `    ${line}`);
  return [`  chain ${name} {`, ...lines, "  }"].join("\n");
}
