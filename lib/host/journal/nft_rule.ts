import * as v from "valibot";
import { CommandError, type CommandRunner } from "../command/runner.ts";
import type { NftRuleRecord } from "./record.ts";

const ListingSchema = v.object({ nftables: v.array(v.record(v.string(), v.unknown())) });
const RuleSchema = v.object({
  handle: v.pipe(v.number(), v.integer()),
  comment: v.optional(v.string()),
});

/**
 * Deletes the rules that bear the record's comment. A handle noted when the rule was added would not
 * do: after the firewall has loaded its rules anew it may be that of another rule.
 */
export async function deleteNftRules(record: NftRuleRecord, runner: CommandRunner): Promise<void> {
  const place = [record.family, record.table, record.chain];
  const listing = ["nft", "-j", "-a", "list", "chain", ...place];
  const { stdout, stderr, code } = await runner.run(listing);
  if (code !== 0) {
    if (stderr.includes("No such file or directory")) return;
    throw new CommandError(listing, code, stderr);
  }
  for (const handle of handlesOf(record.comment, stdout)) {
    const argv = ["nft", "delete", "rule", ...place, "handle", String(handle)];
    const result = await runner.run(argv);
    if (result.code !== 0 && !result.stderr.includes("No such file or directory")) {
      throw new CommandError(argv, result.code, result.stderr);
    }
  }
}

function handlesOf(comment: string, stdout: string): number[] {
  const parsed = v.safeParse(ListingSchema, parseJson(stdout));
  if (!parsed.success) return [];
  return parsed.output.nftables.flatMap(({ rule }) => {
    const known = v.safeParse(RuleSchema, rule);
    return known.success && known.output.comment === comment ? [known.output.handle] : [];
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
