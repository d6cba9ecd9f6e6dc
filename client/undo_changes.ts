/** The end of either mode: the machine is as it was before, and people are told where it is not. */
import { getLogger } from "@logtape/logtape";
import { LOG_CATEGORY } from "../lib/cli/log.ts";
import type { HostJournal } from "../lib/host/journal/host_journal.ts";

const log = getLogger([LOG_CATEGORY, "client"]);

/** Undoes what `journal` holds; `lasting` as in undoAll(). Returns whether all of it was undone. */
export async function undoChanges(
  journal: Pick<HostJournal, "undoAll" | "notices">,
  lasting: "undo" | "leave" = "undo",
): Promise<boolean> {
  const errors = await journal.undoAll(lasting);
  for (const error of errors) log.error("{error}", { error });
  for (const line of journal.notices) log.warn("{line}", { line });
  if (errors.length > 0) {
    log.error("not all is as before: 'fluxify-client restore' tries again what failed here");
  }
  return errors.length === 0;
}
