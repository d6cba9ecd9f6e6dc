import { equal } from "node:assert/strict";
import { CutGrace } from "./cut_grace.ts";

Deno.test("nothing more may wait while no path went", () => {
  equal(new CutGrace().bytes({ gaveBackAt: -Infinity, gaveBackBytes: 0 }, 5000, 100), 0);
});

Deno.test("what was on its way when a path went may wait, and is forgotten when it stays away", () => {
  const grace = new CutGrace();
  const cut = { gaveBackAt: 1000, gaveBackBytes: 6000 };
  equal(grace.bytes(cut, 2000, 1000), 12_000);
  equal(grace.bytes(cut, 90_000, 11_000), 12_000);
  equal(grace.bytes(cut, 0, 16_000), 6000);
  equal(grace.bytes(cut, 0, 21_000), 0);
});

Deno.test("a cut that follows another takes nothing from what may wait", () => {
  const grace = new CutGrace();
  grace.bytes({ gaveBackAt: 1000, gaveBackBytes: 6000 }, 0, 1000);
  equal(grace.bytes({ gaveBackAt: 1100, gaveBackBytes: 100 }, 0, 1100), 9000);
});
