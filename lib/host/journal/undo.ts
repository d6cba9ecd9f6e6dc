import { CommandError, type CommandRunner } from "../command/runner.ts";
import type { SysctlAccess } from "../sysctl/sysctl.ts";
import { deleteNftRules } from "./nft_rule.ts";
import type { ChangeRecord, SysctlRecord, TableRecord } from "./record.ts";
import { restoreFile } from "./saved_file.ts";

/** What undoing needs. `runner` and `sysctl` must work in one and the same network namespace. */
export interface UndoTools {
  runner: CommandRunner;
  sysctl: SysctlAccess;
}

/** Another process that has set the same parameter; it will put the previous value back. */
type SysctlHeir = (record: SysctlRecord) => Promise<string | undefined>;

/**
 * Undoes one change, which may have been undone before, or never done: both are a success.
 * Returns a line about what was left as it is, or null. Throws when the change is still there.
 */
export async function undoChange(
  record: ChangeRecord,
  tools: UndoTools,
  heirOf: SysctlHeir,
): Promise<string | null> {
  switch (record.kind) {
    case "command": {
      const result = await tools.runner.run(record.undo);
      if (result.code === 0 || isAlreadyGone(result.stderr)) return null;
      throw new CommandError(record.undo, result.code, result.stderr);
    }
    case "sysctl": {
      const heir = await heirOf(record);
      if (heir !== undefined) return `left ${record.path} to ${heir}, which needs it too`;
      return await undoSysctl(record, tools.sysctl);
    }
    case "file":
      return await restoreFile(record) === "restored"
        ? null
        : `left ${record.path} as it is: it was changed by another program since`;
    case "table":
      await dropEmptyTable(record, tools.runner);
      return null;
    case "nft rule":
      await deleteNftRules(record, tools.runner);
      return null;
    default:
      return record satisfies never;
  }
}

/** The C locale's words of iproute2, iptables and nft for "there is nothing to undo". */
const ALREADY_GONE = [
  "No such process", // route
  "Cannot find device",
  "No such device", // resolvectl
  ...["was not provided by any .service files", "Could not activate remote peer"], // no resolved
  "Unit dbus-org.freedesktop.resolve1.service not found",
  "does not exist",
  "Cannot assign requested address", // address
  "does a matching rule exist in that chain",
  "No chain/target/match by that name",
  "No such file or directory", // nft
  "File exists", // a route to put back whose place somebody has taken
];

function isAlreadyGone(stderr: string): boolean {
  return ALREADY_GONE.some((words) => stderr.includes(words));
}

async function undoSysctl(record: SysctlRecord, sysctl: SysctlAccess): Promise<string | null> {
  const present = await sysctl.read(record.path);
  if (present === null) return null; // its interface is gone
  if (present === record.value) {
    await sysctl.write(record.path, record.previous);
  } else if (present !== record.previous) {
    return `left ${record.path} at ${present}: it was changed by another program since`;
  }
  for (const [path, previous] of Object.entries(record.sideEffects)) {
    const now = await sysctl.read(path);
    if (now !== null && now !== previous) await sysctl.write(path, previous);
  }
  return null;
}

/**
 * iptables on nftables makes a table with its first rule and keeps it after the last. One that was
 * not there before us and holds nothing is removed; whatever stands in the way means it is in use.
 */
async function dropEmptyTable(record: TableRecord, runner: CommandRunner): Promise<void> {
  const { program, table, chain } = record;
  const family = program.startsWith("ip6") ? "ip6" : "ip";
  const attempt = (...argv: string[]) =>
    runner.run(argv).catch(() => ({ stdout: "", stderr: "", code: 1 }));
  const rules = await attempt(program, "-w", "5", "-t", table, "-S", chain);
  if (rules.stdout.trim() !== `-P ${chain} ACCEPT`) return;
  // Refused by the kernel while the chain has a rule.
  const dropped = await attempt(program, "-w", "5", "-t", table, "-X", chain);
  if (dropped.code !== 0) return;
  const listing = await attempt("nft", "list", "table", family, table);
  if (listing.code !== 0 || !/^table \w+ \w+ \{\s*\}\s*$/.test(listing.stdout)) return;
  await attempt("nft", "delete", "table", family, table);
}
