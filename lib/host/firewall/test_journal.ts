import { deepEqual } from "node:assert/strict";
import type { CommandRunner } from "../command/runner.ts";
import { HostJournal } from "../journal/host_journal.ts";
import { TestDirectory } from "../journal/test_directory.ts";

/** For tests: a journal whose changes can all be undone after `test`. */
export async function withJournal(
  runner: CommandRunner,
  test: (journal: HostJournal) => Promise<void>,
): Promise<void> {
  await using directory = await TestDirectory.create();
  const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
  await test(journal);
  deepEqual(await journal.undoAll(), []);
}

/** For tests: as it is with nft, and as where the kernel lacks what a table of nft asks for. */
export const BACKENDS: Readonly<Record<string, (runner: CommandRunner) => CommandRunner>> = {
  "nft": (runner) => runner,
  "iptables": (runner) => ({
    run: (argv, options) =>
      argv[0] === "nft" && argv[1] === "-f"
        ? Promise.resolve({ code: 1, stdout: "", stderr: "Could not process rule" })
        : runner.run(argv, options),
  }),
};
