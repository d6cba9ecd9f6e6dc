import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import type { Reason } from "../path/eligibility.ts";
import { failOver, shareOut, type WeighedPath } from "./weights.ts";

function path(change: Partial<WeighedPath> = {}): WeighedPath {
  return { isUsable: true, reason: null, rttMs: 20, score: 90, deliveryRate: null, ...change };
}

const PATHS = fc.array(
  fc.record({
    isUsable: fc.boolean(),
    reason: fc.constantFrom<(Reason | null)[]>(null, null, "loss", "jitter", "recovering", "rtt"),
    rttMs: fc.option(fc.double({ min: 0, max: 10_000, noNaN: true })),
    score: fc.option(fc.integer({ min: 0, max: 100 })),
    deliveryRate: fc.option(fc.integer({ min: 0, max: 1e9 })),
  }),
  { maxLength: 16 },
);

Deno.test("shareOut() gives near and steady paths more, and each good one 15 in 100", () => {
  const [near, far] = shareOut([path({ rttMs: 10 }), path({ rttMs: 2000 })]);
  ok(near! > 0.8 && far! >= 0.15, `${near} and ${far}`);
  const [steady, shaky] = shareOut([path({ score: 99 }), path({ score: 9 })]);
  ok(steady! > 3 * shaky!, `${steady} and ${shaky}`);
  deepEqual(new Set(shareOut(Array(12).fill(path()))).size, 1);
});

Deno.test("shareOut() goes by the measured rates once all are known", () => {
  const fast = path({ deliveryRate: 50e6 / 8 });
  const slow = path({ deliveryRate: 10e6 / 8 });
  const [much, little] = shareOut([fast, slow]);
  ok(Math.abs(much! / little! - 5) < 0.5, `${much} to ${little}`);
  const [left, right] = shareOut([fast, path()]);
  equal(left, right);
});

Deno.test("shareOut() leaves bad paths out, but for the nearest when all are bad", () => {
  deepEqual(shareOut([path(), path({ reason: "loss" })]), [1, 0]);
  const bad = [path({ reason: "loss", rttMs: 90 }), path({ reason: "loss", rttMs: 30 })];
  deepEqual(shareOut(bad), [0, 1]);
  deepEqual(shareOut([path({ isUsable: false })]), [0]);
});

Deno.test("shareOut() leaves nothing unused when one mild reason speaks against all", () => {
  const [jittery, other] = [path({ reason: "jitter" }), path({ reason: "jitter" })];
  deepEqual(shareOut([jittery, other]), [0.5, 0.5]);
  deepEqual(shareOut([jittery, path({ isUsable: false }), other]), [0.5, 0, 0.5]);
  deepEqual(shareOut([jittery, path({ reason: "loss", rttMs: 10 })]), [0, 1]);
  deepEqual(shareOut([jittery, path()]), [0, 1]);
});

Deno.test("shareOut() promises: only usable paths, one at least if any, about 1 in all", () => {
  fc.assert(fc.property(PATHS, (paths) => {
    const weights = shareOut(paths);
    equal(weights.length, paths.length);
    for (const [index, weight] of weights.entries()) {
      ok(weight >= 0 && (weight === 0 || paths[index]!.isUsable));
    }
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const usable = paths.filter(({ isUsable }) => isUsable).length;
    ok(
      usable === 0 ? total === 0 : total > 0.999 && total < Math.max(1.001, 0.15 * usable + 0.001),
    );
  }));
});

Deno.test("failOver() gives all to the best path, and stays among those that are alike", () => {
  const near = path({ rttMs: 10 });
  const far = path({ rttMs: 50 });
  deepEqual(failOver([far, near], -1), [0, 1]);
  deepEqual(failOver([far, near], 0), [0, 1], "the best is back");
  deepEqual(failOver([path({ rttMs: 12 }), near], 0), [1, 0], "about as near");
  deepEqual(failOver([path({ rttMs: null }), near], 0), [1, 0], "not known");
  deepEqual(failOver([{ ...far, isUsable: false }, near], 0), [0, 1]);
  deepEqual(failOver([{ ...near, reason: "loss" }, far], 0), [0, 1]);
  deepEqual(failOver([{ ...far, reason: "loss" }, { ...near, reason: "loss" }], 0), [0, 1]);
  deepEqual(failOver([], -1), []);
});

Deno.test("failOver() promises: one usable path has it all, if there is any", () => {
  fc.assert(fc.property(PATHS, fc.integer({ min: -1, max: 16 }), (paths, present) => {
    const weights = failOver(paths, present);
    const chosen = weights.flatMap((weight, index) => weight > 0 ? [index] : []);
    const anyUsable = paths.some(({ isUsable }) => isUsable);
    equal(chosen.length, anyUsable ? 1 : 0);
    for (const index of chosen) ok(paths[index]!.isUsable && weights[index] === 1);
  }));
});
