import { equal, match } from "node:assert/strict";
import { StatusPage } from "./status_page.ts";

Deno.test("what is still starting is not said to be up", async () => {
  const page = new StatusPage("Fluxify bonding to h", () => {});
  await page.refresh(performance.now() + 7_000);
  const text = page.draw([], { columns: 80, rows: 24 }).lines.slice(0, 5)
    .map((line) => line.map(({ text }) => text).join("")).join("\n");
  match(text, /starting for 0:0[67]/);
  equal(/\bup \d/.test(text), false);
});
