import { equal } from "node:assert/strict";
import { Canvas } from "./canvas.ts";
import { drawHelp } from "./help_view.ts";
import { plainText } from "./styled_line.ts";

const ENTRIES = [
  ["up, down", "select a client"],
  ["w", "renew: revoke unless that is done, and make a new certificate"],
] as const;

function drawn(columns: number, rows: number): string {
  const canvas = new Canvas<never>(columns, rows);
  drawHelp(canvas, ENTRIES);
  return canvas.lines.map((line) => plainText(line).trimEnd()).join("\n");
}

Deno.test("what a key does is broken into lines where there is room", () => {
  const text = `
 up, down            select a client
 w                   renew: revoke unless that is done,
                     and make a new certificate`.slice(1);
  equal(drawn(56, 4), text);
});

Deno.test("where there is no room each entry has one line, and is cut", () => {
  const text = `
 up, down            select a client
 w                   renew: revoke unless that is done,…`.slice(1);
  equal(drawn(56, 3), text);
});
