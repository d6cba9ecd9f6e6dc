import { deepEqual, equal, match, ok } from "node:assert/strict";
import { visibleWidth } from "@earendil-works/pi-tui";
import { type DiagKind, DiagPage, type DiagView, drawDiag } from "./diag_page.ts";
import { plainText } from "../../lib/cli/screen/styled_line.ts";

const VIEW: DiagView = {
  lines: ["Fluxify", "", "System", "  ok        memory: 1 MiB", "  FAILED    eth0: has no carrier"],
  state: "done",
  saved: null,
  back: 0,
};

function textOf(view: DiagView, columns: number, rows: number): string {
  const { lines } = drawDiag(view, { columns, rows });
  equal(lines.length, rows);
  for (const line of lines) equal(visibleWidth(plainText(line)), columns);
  return lines.map((line) => plainText(line).trimEnd()).join("\n");
}

Deno.test("a diagnosis is shown from its start while there is room, then its end", () => {
  equal(
    textOf(VIEW, 60, 8),
    `
 Diagnosis                                             done
Fluxify

System
  ok        memory: 1 MiB
  FAILED    eth0: has no carrier

 [Back]  [Save]  [Load test]  Esc back  s save  l load test`.slice(1),
  );
  const lines = Array.from({ length: 50 }, (_, index) => `line ${index}`);
  ok(textOf({ ...VIEW, lines }, 40, 10).includes("line 49"));
  ok(textOf({ ...VIEW, lines, back: 10 }, 40, 10).includes("line 39"));
  ok(textOf({ ...VIEW, lines, back: 49 }, 40, 10).includes("line 0"));
  const path = `/home/${"u".repeat(50)}/.fluxify/diagnosis.txt`;
  const saved = textOf({ ...VIEW, lines, saved: `saved in ${path}` }, 60, 10).split("\n");
  const from = saved.indexOf("line 49") + 1;
  equal(saved.slice(from, -1).join("").replaceAll(" ", ""), `savedin${path}`);
  textOf(VIEW, 1, 1);
});

function pageOf(look: (kind: DiagKind) => AsyncIterable<string>) {
  const page = new DiagPage(look, () => Promise.resolve("here"), () => {});
  const text = () => {
    const { lines } = page.draw(null, { columns: 100, rows: 6 });
    return lines.map((line) => plainText(line).trimEnd()).join("\n");
  };
  const press = (key: string) => page.take({ kind: "key", key, text: key });
  return { page, text, press };
}

Deno.test("a diagnosis that cannot go on says so, and stays to be read", async () => {
  const { page, text } = pageOf(async function* () {
    yield "System";
    throw new Error("Cannot open /dev/net/tun: not permitted");
  });
  await page.run("plain");
  match(
    text(),
    /^ Diagnosis +done\nSystem\n {2}FAILED +Cannot open \/dev\/net\/tun: not permitted\n/,
  );
});

Deno.test("the links are filled on request alone, and only once it was asked", async () => {
  const looked: DiagKind[] = [];
  const { page, text, press } = pageOf(async function* (kind) {
    looked.push(kind);
    yield `look ${looked.length}`;
  });
  const plain = page.run("plain");
  press("l");
  ok(!text().includes("Fill each link"), "one diagnosis at a time");
  await plain;
  press("l");
  match(
    text(),
    /Fill each link for 3 s\? It costs what the link carries then: y\/n {2}\[Yes\] {2}\[No\]/,
  );
  press("escape");
  match(text(), /\[Load test\]/);
  deepEqual(looked, ["plain"]);
  press("l");
  press("y");
  match(text(), /Diagnosis +looking/);
  await page.settled();
  deepEqual(looked, ["plain", "load"]);
  match(text(), /look 2/);
  ok(!text().includes("look 1"));
});
