import { deepEqual, equal, ok } from "node:assert/strict";
import { visibleWidth } from "@earendil-works/pi-tui";
import { plainText } from "../../lib/cli/screen/styled_line.ts";
import { machineLink } from "./form/test_form.ts";
import { drawLinks, LinksPage, type LinksState, reactLinks } from "./links_page.ts";

const LINKS = [
  machineLink("one"),
  machineLink("two", { problem: "has no carrier" }),
  machineLink("three"),
];
const STATE: LinksState = { ticked: ["one", "two"], row: 0, shows: "likely links", message: null };
const press = (state: LinksState, ...keys: string[]) =>
  keys.reduce(
    (before, key) => reactLinks(before, { kind: "key", key, text: "" }, LINKS).state,
    state,
  );

Deno.test("links are ticked by key and click, in their order, and taken with Enter", () => {
  const state = press(STATE, "space", "end", "space");
  deepEqual(state.ticked, ["two", "three"]);
  equal(reactLinks(state, { kind: "key", key: "enter", text: "" }, LINKS).action, "apply");
  const { state: clicked } = reactLinks(
    state,
    { kind: "click", target: { kind: "link", name: "one" } },
    LINKS,
  );
  deepEqual(clicked.ticked, ["two", "three", "one"]);
  for (const key of ["escape", "q", "ctrl+c"]) {
    equal(reactLinks(state, { kind: "key", key, text: "" }, LINKS).action, "back");
  }
});

Deno.test("one link is too few, and one that cannot be used is not ticked anew", () => {
  const one = press(STATE, "space");
  const step = reactLinks(one, { kind: "key", key: "enter", text: "" }, LINKS);
  deepEqual([step.action, step.state.message], [undefined, "two links at least"]);
  const off = press(STATE, "down", "space");
  deepEqual(off.ticked, ["one"]);
  equal(press(off, "space").message, "two cannot be used: it has no carrier");
});

Deno.test("the list of links on 80 columns", () => {
  const { lines } = drawLinks(STATE, LINKS, { columns: 80, rows: 12 });
  for (const line of lines) equal(visibleWidth(plainText(line)), 80);
  equal(
    lines.map((line) => plainText(line).trimEnd()).join("\n"),
    `
 Links                                                                 2 ticked
─ Space ticks, Enter takes them, Esc leaves all as it is ───────────────────────
      LINK            TYPE     STATE GATEWAY         ADDRESS
> [x] one             ethernet up    192.0.2.1       192.0.2.10
  [!] two             has no carrier: stays selected, and is used when it is ba…
  [ ] three           ethernet up    192.0.2.1       192.0.2.10





 [Apply]  [Back]  Space tick  Enter apply  a show all links  Esc back`.slice(1),
  );
  for (const [columns, rows] of [[1, 1], [40, 8], [200, 60]] as const) {
    equal(drawLinks(STATE, null, { columns, rows }).lines.length, rows);
  }
});

Deno.test("what cannot be taken is said, and the list stays", async () => {
  const taken: string[][] = [];
  const page = new LinksPage(["one", "three"], () => Promise.resolve(LINKS), (names) => {
    if (taken.push([...names]) === 1) throw new RangeError("Cannot bond them");
  });
  await page.refresh(0);
  page.take({ kind: "key", key: "enter", text: "" });
  const shown = page.draw([], { columns: 80, rows: 12 }).lines.map(plainText).join("\n");
  ok(shown.includes("Cannot bond them"), shown);
  page.take({ kind: "key", key: "enter", text: "" });
  await page.left;
  deepEqual(taken, [["one", "three"], ["one", "three"]]);
});
