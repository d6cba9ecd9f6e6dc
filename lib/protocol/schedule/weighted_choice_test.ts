import { NO_PATH } from "../wire/path_id.ts";
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { WEIGHT_MAX, WeightedChoice } from "./weighted_choice.ts";

function choiceOf(...weights: number[]): WeightedChoice {
  const choice = new WeightedChoice();
  for (const [path, weight] of weights.entries()) choice.setWeight(path, weight);
  return choice;
}

function picks(choice: WeightedChoice, count: number): number[] {
  return Array.from({ length: count }, () => choice.pick());
}

Deno.test("without a weight there is no path", () => {
  equal(new WeightedChoice().pick(), NO_PATH);
  equal(choiceOf(0, 0).pick(), NO_PATH);
});

Deno.test("the shares follow the weights, evenly mixed", () => {
  deepEqual(picks(choiceOf(1, 1), 4), [0, 1, 0, 1]);
  deepEqual(picks(choiceOf(4, 2, 2), 8), [0, 1, 2, 0, 0, 1, 2, 0]);
  deepEqual(picks(choiceOf(3, 1), 8), [0, 0, 1, 0, 0, 0, 1, 0]);
  deepEqual(picks(choiceOf(0, 0, 7), 3), [2, 2, 2]);
});

Deno.test("a path with weight 0 is out, and in again with a weight", () => {
  const choice = choiceOf(1, 1, 1);
  choice.setWeight(1, 0);
  deepEqual(new Set(picks(choice, 10)), new Set([0, 2]));
  choice.setWeight(1, 1);
  deepEqual(picks(choice, 3).sort(), [0, 1, 2]);
  for (const path of [0, 1, 2]) choice.setWeight(path, 0);
  equal(choice.pick(), NO_PATH);
});

Deno.test("a path that comes late gets its share, not what it missed", () => {
  const choice = choiceOf(1);
  picks(choice, 1000);
  choice.setWeight(9, 1);
  const late = picks(choice, 20).filter((path) => path === 9).length;
  equal(late, 10);
});

Deno.test("shares begin anew when a path comes or goes", () => {
  const choice = choiceOf(1, 1);
  equal(choice.pick(), 0);
  choice.setWeight(2, 2);
  deepEqual(picks(choice, 5), [2, 0, 1, 2, 2]);
  choice.setWeight(2, 0);
  deepEqual(picks(choice, 2), [0, 1]);
});

Deno.test("weights that change at each choice keep the shares", () => {
  const choice = choiceOf(3, 1);
  let slow = 0;
  for (let round = 0; round < 400; round++) {
    choice.setWeight(0, 3 + (round % 2) * 0.01);
    if (choice.pick() === 1) slow++;
  }
  ok(Math.abs(slow - 100) <= 1, `${slow} of 400`);
});

Deno.test("a weight that falls far does not leave a debt", () => {
  const choice = choiceOf(1e12, 1);
  picks(choice, 3);
  choice.setWeight(0, 1);
  deepEqual(picks(choice, 6).filter((path) => path === 0).length, 3);
});

Deno.test("all 256 paths can share", () => {
  const choice = new WeightedChoice();
  for (let path = 0; path < 256; path++) choice.setWeight(path, 5);
  deepEqual(picks(choice, 256), Array.from({ length: 256 }, (_, path) => path));
});

Deno.test("paths and weights out of range are refused", () => {
  const choice = new WeightedChoice();
  for (const path of [-1, 256, 0.5, NaN]) throws(() => choice.setWeight(path, 1), RangeError);
  for (const weight of [-1, NaN, Infinity, WEIGHT_MAX * 2]) {
    throws(() => choice.setWeight(0, weight), RangeError);
  }
  equal(choice.pick(), NO_PATH);
});

/** Rounding of a credit over the runs below. */
const EPSILON = 1e-9;

Deno.test("property: at any time each path is near its share", () => {
  const weight = fc.oneof(
    fc.integer({ min: 0, max: 10 }),
    fc.double({ min: 0, max: 1e6, noNaN: true }),
  );
  const weights = fc.array(weight, { minLength: 1, maxLength: 12 });
  fc.assert(fc.property(weights, fc.nat({ max: 200 }), (weights, count) => {
    const total = weights.reduce((sum, each) => sum + each, 0);
    if (total === 0) return;
    const active = weights.filter((each) => each > 0).length;
    const choice = choiceOf(...weights);
    const taken = weights.map(() => 0);
    for (let round = 1; round <= count; round++) {
      taken[choice.pick()]!++;
      for (const [path, each] of weights.entries()) {
        const ahead = taken[path]! - round * each / total;
        ok(ahead < 1 + EPSILON, `path ${path} is ${ahead} ahead`);
        ok(ahead > -active + 1 - EPSILON, `path ${path} is ${-ahead} behind`);
        if (each === 0) equal(taken[path], 0);
      }
    }
  }));
});

Deno.test("property: whole weights come out exactly after one round of their sum", () => {
  const weights = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 8 });
  fc.assert(fc.property(weights, (weights) => {
    const total = weights.reduce((sum, each) => sum + each, 0);
    const chosen = picks(choiceOf(...weights), total);
    for (const [path, each] of weights.entries()) {
      equal(chosen.filter((other) => other === path).length, each);
    }
  }));
});

Deno.test("property: whatever is set, only a path with a weight is chosen", () => {
  const step = fc.tuple(fc.nat({ max: 5 }), fc.constantFrom(0, 0, 1, 2, 1e-300, WEIGHT_MAX));
  fc.assert(fc.property(fc.array(step), (steps) => {
    const choice = new WeightedChoice();
    const weights = new Map<number, number>();
    for (const [path, weight] of steps) {
      choice.setWeight(path, weight);
      weights.set(path, weight);
      const isAny = [...weights.values()].some((each) => each > 0);
      const chosen = choice.pick();
      if (isAny) ok(weights.get(chosen)! > 0, `chose ${chosen}`);
      else equal(chosen, NO_PATH);
    }
  }));
});
