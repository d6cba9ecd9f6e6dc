import { deepEqual, equal, match } from "node:assert/strict";
import { NO_RULE } from "../../lib/protocol/wire/path_rule.ts";
import { LinkRules } from "./link_rules.ts";

const CAP = new Map([["lte", { kind: "metered", capBytes: 1000 }]] as const);
const volumes = (bytes: number) => ({ bytesOf: () => bytes });

Deno.test("rules are those of the link, or of the interface that links share", () => {
  const rules = new LinkRules(
    new Map([["dsl", { down: 2, up: 1 }]]),
    new Map([["lte", { kind: "backup" }]]),
  );
  deepEqual(rules.ruleOf("fiber"), NO_RULE);
  deepEqual(rules.ruleOf("dsl"), { sendRate: 1, receiveRate: 2, use: "always" });
  deepEqual(rules.ruleOf("dsl (192.0.2.1)"), { sendRate: 1, receiveRate: 2, use: "always" });
  deepEqual(rules.ruleOf("lte"), { sendRate: null, receiveRate: null, use: "backup" });
  rules.useRates(new Map([["dsl", null]]));
  rules.useUses(new Map([["lte", { kind: "always" }]]));
  deepEqual(rules.ruleOf("dsl"), NO_RULE);
  deepEqual(rules.ruleOf("lte"), NO_RULE);
});

Deno.test("a metered link is a backup until its cap is reached, and again in the next month", () => {
  const rules = new LinkRules(new Map(), CAP);
  const uses = [[0, "11"], [999, "11"], [1000, "11"], [0, "12"]] as const;
  deepEqual(
    uses.map(([bytes, month]) => {
      rules.count(volumes(bytes), `2026-${month}`);
      return rules.pathUseOf("lte");
    }),
    ["backup", "backup", "cap reached", "backup"],
  );
  deepEqual(rules.volumeOf("lte"), { month: "2026-12", bytes: 0, capBytes: 1000 });
  equal(rules.volumeOf("dsl"), null);
});

Deno.test("80 % and 100 % of a cap are told once each, every month", () => {
  const rules = new LinkRules(new Map(), CAP);
  const told = [799, 800, 900, 1000, 1200].map((bytes) => rules.count(volumes(bytes), "2026-11"));
  deepEqual(told.map((lines) => lines.length), [0, 1, 0, 1, 0]);
  match(told[1]![0]!, /^link lte has carried 800 B of its 1.0 kB in 2026-11$/);
  match(told[3]![0]!, /1.0 kB of its 1.0 kB .* carries nothing more, unless no other link works/);
  equal(rules.count(volumes(850), "2026-12").length, 1);
});

Deno.test("what is prescribed is told in a line for each link", () => {
  const rules = new LinkRules(
    new Map([["fiber", { down: 6_250_000, up: 1_250_000 }], ["dsl", null]]),
    new Map([["lte", { kind: "metered", capBytes: 20e9 }], ["sat", { kind: "backup" }]]),
  );
  deepEqual(rules.describe(), [
    "link fiber: 50.0 Mbit/s down and 10.0 Mbit/s up at most",
    "link lte: metered: for when others are full or down, 20.0 GB a month at most",
    "link sat: backup: for when others are full or down",
  ]);
  deepEqual(rules.names, { "-rate": ["fiber"], "-link": ["lte", "sat"] });
});
