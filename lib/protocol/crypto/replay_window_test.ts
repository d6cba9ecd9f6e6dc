import { equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { REPLAY_WINDOW_LENGTH, ReplayWindow } from "./replay_window.ts";

const COUNTER_MAX = 0xffffffff;
const LENGTH = REPLAY_WINDOW_LENGTH;

Deno.test("the replay window is as long as the protocol asks", () => {
  ok(LENGTH >= 8128);
});

Deno.test("a new window takes any counter but 0", () => {
  const window = new ReplayWindow();
  equal(window.highest, 0);
  equal(window.isFresh(0), false);
  equal(window.accept(0), false);
  for (const counter of [1, 31, 32, LENGTH, COUNTER_MAX]) equal(window.isFresh(counter), true);
});

Deno.test("what is not a u32 is never fresh", () => {
  const window = new ReplayWindow();
  for (const counter of [-1, 0.5, 1.5, COUNTER_MAX + 1, NaN, Infinity, -Infinity]) {
    equal(window.isFresh(counter), false, String(counter));
    equal(window.accept(counter), false, String(counter));
  }
  equal(window.highest, 0);
});

Deno.test("asking does not move the window", () => {
  const window = new ReplayWindow();
  window.accept(5);
  equal(window.isFresh(COUNTER_MAX), true);
  equal(window.isFresh(6), true);
  equal(window.isFresh(6), true);
  equal(window.highest, 5);
  equal(window.accept(6), true);
});

/** Each step: a counter, and whether it is taken. Run on one window, in order. */
const STEPS: readonly (readonly [counter: number, taken: boolean])[] = [
  [1, true],
  [1, false],
  [9, true],
  [8, true],
  [7, true],
  [7, false],
  [63, true],
  [64, true],
  [64, false],
  [65, true],
  [32, true],
  [31, true],
  [31, false],
  [LENGTH, true],
  [LENGTH, false],
  [2, true],
  [LENGTH + 1, true],
  [3, true],
  [2, false],
  [1, false],
  [LENGTH + 5, true],
  [5, false], // one behind the last counter that fits
  [6, true],
  [6, false],
  [LENGTH * 2, true],
  [LENGTH, false],
  [LENGTH + 1, false],
  [LENGTH + 2, true],
  [LENGTH * 3, true],
  [LENGTH * 2, false],
  [LENGTH * 2 + 1, true],
  [LENGTH * 20, true],
  [LENGTH * 20 - 1, true],
  [LENGTH * 20 - 1, false],
  [LENGTH * 19 + 1, true],
  [LENGTH * 19, false],
  [COUNTER_MAX, true],
  [COUNTER_MAX, false],
  [COUNTER_MAX - LENGTH + 1, true],
  [COUNTER_MAX - LENGTH, false],
  [1, false],
];

Deno.test("the window accepts each counter once, and none behind it", () => {
  const window = new ReplayWindow();
  for (const [index, [counter, taken]] of STEPS.entries()) {
    equal(window.isFresh(counter), taken, `step ${index}: isFresh(${counter})`);
    equal(window.accept(counter), taken, `step ${index}: accept(${counter})`);
  }
});

Deno.test("every counter of a window can come in reverse", () => {
  const window = new ReplayWindow();
  const top = 100_000;
  for (let back = 0; back < LENGTH; back++) equal(window.accept(top - back), true, `${back} back`);
  for (let back = 0; back < LENGTH + 40; back++) equal(window.accept(top - back), false);
});

Deno.test("a jump of any size keeps what it should and forgets the rest", () => {
  for (let jump = 1; jump < LENGTH * 2 + 70; jump += 31) {
    const window = new ReplayWindow();
    const low = 500;
    for (let counter = low; counter < low + 40; counter++) window.accept(counter);
    const high = low + 39 + jump;
    window.accept(high);
    equal(window.accept(low + 39), false, `jump ${jump}`);
    if (jump > 1) equal(window.accept(high - 1), true, `jump ${jump}`);
  }
});

Deno.test("property: the window agrees with a set of everything seen", () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.integer({ min: -40, max: 40 }) },
    { weight: 2, arbitrary: fc.integer({ min: -LENGTH - 3, max: 3 }) },
    { weight: 2, arbitrary: fc.integer({ min: -LENGTH - 3, max: -LENGTH + 3 }) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: LENGTH * 2 }) },
  );
  const start = fc.constantFrom(1, LENGTH - 1, LENGTH, 0x7ffffff0, COUNTER_MAX - LENGTH * 3);
  fc.assert(fc.property(start, fc.array(step, { maxLength: 300 }), (first, steps) => {
    const window = new ReplayWindow();
    const seen = new Set([first]);
    let highest = first;
    equal(window.accept(first), true);
    for (const offset of steps) {
      const counter = highest + offset;
      if (counter < 0) continue;
      const expected = counter > 0 && counter <= COUNTER_MAX && counter > highest - LENGTH &&
        !seen.has(counter);
      equal(window.isFresh(counter), expected, `isFresh(${counter}), highest ${highest}`);
      equal(window.accept(counter), expected, `accept(${counter}), highest ${highest}`);
      if (!expected) continue;
      seen.add(counter);
      highest = Math.max(highest, counter);
      equal(window.highest, highest);
    }
  }));
});
