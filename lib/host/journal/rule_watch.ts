import { messageOf } from "../../ffi/error_text.ts";
import type { HostJournal } from "./host_journal.ts";

/** A look takes one command for each rule, of some milliseconds. */
const LOOK_EVERY_MS = 5_000;

/**
 * Looks every five seconds whether another program has removed firewall rules that the journal has
 * made (`iptables -F`, `nft flush ruleset`, a firewall that loads its rules anew), puts them back and
 * says so. A problem is said once, until it is another one. Ends what is under way when disposed of:
 * to be done before the changes are undone.
 */
export function watchRules(
  journal: Pick<HostJournal, "putBack">,
  warn: (line: string) => void,
  everyMs = LOOK_EVERY_MS,
): AsyncDisposable {
  let problem = "";
  let looking: Promise<void> | null = null;
  const look = async () => {
    try {
      const programs = await journal.putBack();
      if (programs.length > 0) {
        const names = programs.join(" and ");
        warn(
          `another program removed firewall rules of this one (${names}): they are back in force`,
        );
      }
      problem = "";
    } catch (error) {
      const reason = messageOf(error);
      if (reason !== problem) warn(`cannot put back firewall rules that were removed: ${reason}`);
      problem = reason;
    }
  };
  const timer = setInterval(() => {
    looking ??= look().finally(() => looking = null);
  }, everyMs);
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await looking;
    },
  };
}
