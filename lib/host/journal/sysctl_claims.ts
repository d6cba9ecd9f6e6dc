/**
 * Two programs of one namespace may want the same value of one kernel parameter. The value that was
 * there before both goes from journal to journal: the second to come takes it over into its own
 * record, and the first to go leaves the parameter to the other.
 */
import type { ProcessIdentity } from "./process_identity.ts";
import { ownerOf, readJournal } from "./journal_file.ts";
import type { SysctlRecord } from "./record.ts";
import type { StateDirectory } from "./state_directory.ts";

interface SysctlClaim {
  owner: string;
  record: SysctlRecord;
}

/** Who else, running or not yet cleaned up after, has set `path` to `value` in this namespace. */
export async function otherClaim(
  directory: StateDirectory,
  ownJournal: string,
  own: Pick<ProcessIdentity, "bootId" | "network">,
  path: string,
  value: string,
): Promise<SysctlClaim | undefined> {
  for (const journal of await directory.journalPaths()) {
    if (journal === ownJournal) continue;
    const { header, outstanding } = await readJournal(journal);
    if (header?.bootId !== own.bootId || header.network !== own.network) continue;
    for (const record of outstanding) {
      if (record.kind === "sysctl" && record.path === path && record.value === value) {
        return { owner: ownerOf(journal, header), record };
      }
    }
  }
  return undefined;
}
