import { deepEqual } from "node:assert/strict";
import { pauseBeforeRestart } from "./page_starter.ts";

Deno.test("a page that keeps ending is started ever more rarely, a minute apart at most", () => {
  const pauses: number[] = [];
  for (let starts = 0; starts < 9; starts++) {
    pauses.push(pauseBeforeRestart(500, pauses.at(-1) ?? 0));
  }
  deepEqual(pauses.map((ms) => ms / 1000), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
});

Deno.test("one that has run for a while is started again at once", () => {
  deepEqual([pauseBeforeRestart(60_000, 32_000), pauseBeforeRestart(60_001, 32_000)], [
    60_000,
    1000,
  ]);
});
