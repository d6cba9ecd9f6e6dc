import { deepEqual, equal } from "node:assert/strict";
import { plainText } from "../../lib/cli/screen/styled_line.ts";
import type { SchedulerName } from "../../lib/protocol/wire/scheduler_name.ts";
import { SchedulerPage } from "./scheduler_page.ts";

function setUp(inUse: SchedulerName) {
  const used: string[] = [];
  const state = { hasLeft: false };
  const page = new SchedulerPage(inUse, (name) => void used.push(name));
  page.left.then(() => state.hasLeft = true);
  const press = async (...keys: string[]) => {
    for (const key of keys) page.take({ kind: "key", key, text: "" });
    await Promise.resolve();
  };
  return { page, used, state, press };
}

Deno.test("the list of schedulers on 80 columns marks the one in use", () => {
  const { page } = setUp("stripe");
  const { lines } = page.draw([], { columns: 80, rows: 9 });
  equal(
    lines.map((line) => plainText(line).trimEnd()).join("\n"),
    `
 Scheduler                                                     stripe is in use
─ Enter takes it, Esc leaves all as it is ──────────────────────────────────────
  ( ) aggregate  one download over all links together
  ( ) flow       each connection over one link
> (*) stripe     packets of each over all good links
  ( ) redundant  each packet over every link: calls and games
  ( ) failover   one link at a time, the others are spares

 [Back]  up/down  Enter take it  Esc back`.slice(1),
  );
});

Deno.test("another scheduler is taken by key or click, and the one in use is no change", async () => {
  const byKey = setUp("flow");
  await byKey.press("down", "down", "enter");
  deepEqual([byKey.used, byKey.state.hasLeft], [["redundant"], true]);
  const byClick = setUp("flow");
  byClick.page.take({ kind: "click", target: { kind: "scheduler", name: "aggregate" } });
  deepEqual(byClick.used, ["aggregate"]);
  const same = setUp("flow");
  await same.press("enter");
  deepEqual([same.used, same.state.hasLeft], [[], true]);
});

Deno.test("the list of schedulers is left with nothing changed", async () => {
  for (const key of ["escape", "q", "ctrl+c", "s"]) {
    const { used, state, press } = setUp("flow");
    await press("end", key);
    deepEqual([used, state.hasLeft], [[], true]);
  }
});
