import { messageOf } from "../../ffi/error_text.ts";
import { CommandError, MissingProgramError } from "../command/runner.ts";
import type { ChangeId, HostJournal } from "../journal/host_journal.ts";
import { type AddressFamily, FAMILIES } from "../links/address.ts";
import { addRules, identifyIptables, programFor, type Rule } from "./iptables.ts";
import { applyOwnTable, type OwnTable } from "./own_table.ts";

interface TableOrRules {
  table: OwnTable;
  /** Of the table, for both families. */
  chains: readonly string[];
  /** Rules of iptables that do the same. */
  rules(family: AddressFamily): readonly Rule[];
}

/** Why a family has neither the table nor the rules, for the end of a notice. */
interface FamilyWithout {
  family: AddressFamily;
  reason: string;
}

export interface Applied {
  how: "table" | "rules";
  /** Ids of what was applied, for a caller who undoes it before the journal is closed. */
  changes: ChangeId[];
  /** The families that have neither: empty when all is well. */
  without: FamilyWithout[];
}

/**
 * Puts a table of nft in force, or the rules of iptables where nft is not there or refuses the table.
 * Undone by the journal.
 */
export async function applyTableOrRules(
  journal: HostJournal,
  { table, chains, rules }: TableOrRules,
): Promise<Applied> {
  try {
    const change = await applyOwnTable(journal, table, chains);
    return { how: "table", changes: change === null ? [] : [change], without: [] };
  } catch (error) {
    if (!(error instanceof CommandError || error instanceof MissingProgramError)) throw error;
    const changes: ChangeId[] = [];
    const without: FamilyWithout[] = [];
    const identified = identifyIptables(journal); // once: it may hang until its time is over
    for (const family of FAMILIES) {
      try {
        const { variant } = await identified;
        const added = await addRules(journal, programFor(variant, family), rules(family));
        changes.push(...added.filter((change) => change !== null));
      } catch (problem) {
        const reason = `neither by nft (${error.message}) nor by iptables (${messageOf(problem)})`;
        without.push({ family, reason });
      }
    }
    return { how: "rules", changes, without };
  }
}
