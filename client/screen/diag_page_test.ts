import { equal, match, ok } from "node:assert/strict";
import { visibleWidth } from "@earendil-works/pi-tui";
import { DiagPage, type DiagView, drawDiag } from "./diag_page.ts";
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

 [Back]  [Save]  Esc back  s save  up/down, wheel scroll`.slice(1),
  );
  const lines = Array.from({ length: 50 }, (_, index) => `line ${index}`);
  ok(textOf({ ...VIEW, lines }, 40, 10).includes("line 49"));
  ok(textOf({ ...VIEW, lines, back: 10 }, 40, 10).includes("line 39"));
  ok(textOf({ ...VIEW, lines, back: 49 }, 40, 10).includes("line 0"));
  textOf(VIEW, 1, 1);
});

Deno.test("a diagnosis that cannot go on says so, and stays to be read", async () => {
  const page = new DiagPage(() => Promise.resolve(""), () => {});
  await page.run(async function* () {
    yield "System";
    throw new Error("Cannot open /dev/net/tun: not permitted");
  }());
  const { lines } = page.draw(null, { columns: 70, rows: 6 });
  const text = lines.map((line) => plainText(line).trimEnd()).join("\n");
  match(
    text,
    /^ Diagnosis +done\nSystem\n {2}FAILED +Cannot open \/dev\/net\/tun: not permitted\n/,
  );
});
