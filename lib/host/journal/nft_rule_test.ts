import { deepEqual, rejects } from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { deleteNftRules } from "./nft_rule.ts";
import type { NftRuleRecord } from "./record.ts";

const RECORD: NftRuleRecord = {
  id: 1,
  kind: "nft rule",
  family: "inet",
  table: "firewall",
  chain: "forward",
  comment: "fluxify tun0",
};
const GONE = { code: 1, stderr: "Error: No such file or directory" };

const deletions = (runner: FakeRunner) =>
  runner.lines.filter((line) => line.startsWith("nft delete"));

Deno.test("deleteNftRules() deletes what bears the comment, and nothing else", async () => {
  const rules = [
    { rule: { handle: 4, comment: "fluxify tun0" } },
    { rule: { handle: 5, comment: "fluxify tun01" } },
    { rule: { handle: 6 } },
    { rule: { handle: "7; flush ruleset", comment: "fluxify tun0" } },
    { chain: { handle: 8, comment: "fluxify tun0" } },
    { rule: { handle: 9, comment: "fluxify tun0" } },
  ];
  const runner = new FakeRunner().on("nft -j -a list", JSON.stringify({ nftables: rules }))
    .on("nft delete", GONE).on("nft delete rule inet firewall forward handle 4", "");
  await deleteNftRules(RECORD, runner);
  const place = "nft delete rule inet firewall forward handle";
  deepEqual(deletions(runner), [`${place} 4`, `${place} 9`]);
});

Deno.test("deleteNftRules() has nothing to do where the chain is gone or cannot be read", async () => {
  for (const answer of [GONE, "", "[]", "{", '{"nftables":7}']) {
    const runner = new FakeRunner().on("nft -j -a list", answer);
    await deleteNftRules(RECORD, runner);
    deepEqual(deletions(runner), []);
  }
});

Deno.test("deleteNftRules() throws while the rule is still there", async () => {
  const denied = { code: 1, stderr: "Operation not permitted" };
  await rejects(deleteNftRules(RECORD, new FakeRunner().on("nft", denied)), /not permitted/);
  const listing = JSON.stringify({ nftables: [{ rule: { handle: 4, comment: RECORD.comment } }] });
  const runner = new FakeRunner().on("nft -j", listing).on("nft delete", denied);
  await rejects(deleteNftRules(RECORD, runner), /not permitted/);
});
