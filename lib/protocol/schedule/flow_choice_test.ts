import { NO_PATH } from "../wire/path_id.ts";
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { FlowChoice } from "./flow_choice.ts";

function picks(choice: FlowChoice, count: number, now = 0): number[] {
  return Array.from({ length: count }, () => choice.pick(now));
}

Deno.test("flows that begin together are shared out by weight", () => {
  const choice = new FlowChoice();
  for (const [path, weight] of [[3, 50], [5, 20], [9, 10]] as const) choice.set(path, weight, 0);
  const chosen = picks(choice, 8);
  deepEqual([3, 5, 9].map((path) => chosen.filter((each) => each === path).length), [5, 2, 1]);
  deepEqual(chosen.slice(0, 3), [3, 3, 5]);
});

Deno.test("flows that begin one by one, and carry nothing, all get the best path", () => {
  const choice = new FlowChoice();
  choice.set(0, 20, 0);
  choice.set(1, 50, 0);
  deepEqual([0, 1000, 2000].map((now) => choice.pick(now)), [1, 1, 1]);
});

Deno.test("a path that carries much is left to those with less", () => {
  const choice = new FlowChoice();
  choice.set(0, 20, 0);
  choice.set(1, 50, 2);
  equal(choice.pick(0), 0);
  choice.set(1, 50, 0);
  equal(choice.pick(1000), 1);
});

Deno.test("flows that grow one after the other are shared out by weight, whoever began where", () => {
  const choice = new FlowChoice();
  for (const [path, weight] of [[0, 62], [1, 25], [2, 13]] as const) choice.set(path, weight, 0);
  const placed = [0, 1, 2, 3].map((flow) => choice.place(0, 100 * flow));
  deepEqual(placed, [0, 0, 1, 0]);
});

Deno.test("a grown flow that is alone gets the best path, and one that would gain little stays", () => {
  const choice = new FlowChoice();
  choice.set(0, 50, 0);
  choice.set(1, 52, 0);
  choice.set(2, 90, 0);
  equal(choice.place(0, 0), 2);
  choice.set(2, 0, 0);
  equal(choice.place(0, 10_000), 0);
});

Deno.test("grown flows count while they are under way", () => {
  const choice = new FlowChoice();
  choice.set(0, 50, 0);
  choice.set(1, 20, 0);
  for (const now of [0, 600, 1100]) {
    for (let flow = 0; flow < 3; flow++) choice.noteGrown(0, now);
  }
  equal(choice.place(0, 1200), 1);
  equal(choice.place(1, 3000), 0, "they have ended");
});

Deno.test("a path without weight is never chosen, and none without any", () => {
  const choice = new FlowChoice();
  equal(choice.pick(0), NO_PATH);
  choice.set(7, 1, 0);
  choice.set(8, 0, 0);
  deepEqual(new Set(picks(choice, 20)), new Set([7]));
  choice.set(7, 0, 0);
  equal(choice.pick(0), NO_PATH);
});

Deno.test("refuses what is no path, weight or load", () => {
  const choice = new FlowChoice();
  for (const path of [-1, 256, 0.5]) throws(() => choice.set(path, 1, 0), RangeError);
  for (const bad of [-1, NaN, Infinity]) {
    throws(() => choice.set(0, bad, 0), RangeError);
    throws(() => choice.set(0, 1, bad), RangeError);
  }
});

Deno.test("of flows that begin together each path gets its share, but for one flow", () => {
  const weights = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 8 });
  fc.assert(fc.property(weights, fc.integer({ min: 1, max: 200 }), (weights, flows) => {
    const choice = new FlowChoice();
    for (const [path, weight] of weights.entries()) choice.set(path, weight, 0);
    const chosen = picks(choice, flows);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [path, weight] of weights.entries()) {
      const count = chosen.filter((each) => each === path).length;
      ok(count >= Math.floor(flows * weight / total), `path ${path} of ${weights}: ${count}`);
    }
  }));
});
