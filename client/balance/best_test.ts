import { deepEqual, equal } from "node:assert/strict";
import { type BestChoice, chooseBest, NO_CHOICE } from "./best.ts";

const rounds = (start: BestChoice, ...roundTrips: Record<string, number | null>[]) =>
  roundTrips.reduce(
    (choice, ms) =>
      chooseBest(choice, Object.entries(ms).map(([name, rttMs]) => ({ name, rttMs }))),
    start,
  );

Deno.test("chooseBest() begins with the nearest, or the first when nobody has answered", () => {
  equal(rounds(NO_CHOICE, { a: 30, b: 10 }).name, "b");
  equal(rounds(NO_CHOICE, { a: null, b: null }).name, "a");
  equal(rounds(NO_CHOICE, { a: null, b: 500 }).name, "b");
  deepEqual(rounds(NO_CHOICE, {}), NO_CHOICE);
});

Deno.test("chooseBest() corrects a guess as soon as all have answered", () => {
  const guess = rounds(NO_CHOICE, { a: null, b: null });
  deepEqual(guess, { name: "a", rival: null, basis: "guess" });
  equal(rounds(guess, { a: 30, b: null }).name, "a");
  equal(rounds(guess, { a: 30, b: null }, { a: 30, b: 29 }).name, "b");
  equal(rounds(guess, { a: 30, b: 29 }, { a: 30, b: 31 }, { a: 28, b: 30 }).name, "b");
});

Deno.test("chooseBest() changes for a clear advantage, three times in a row", () => {
  const on = { name: "a", rival: null, basis: "round trips" } as const;
  const better = { a: 30, b: 10 };
  equal(rounds(on, better, better).name, "a");
  equal(rounds(on, better, better, better).name, "b");
  equal(rounds(on, better, better, { a: 30, b: 29 }, better, better).name, "a");
});

Deno.test("chooseBest() does not change for little", () => {
  const on = { name: "a", rival: null, basis: "round trips" } as const;
  const times = (ms: Record<string, number>) => rounds(on, ms, ms, ms, ms, ms).name;
  equal(times({ a: 30, b: 25 }), "a"); // less than a fifth
  equal(times({ a: 2, b: 0.1 }), "a"); // less than two milliseconds
  equal(times({ a: 30, b: 24 }), "b");
});

Deno.test("chooseBest() leaves one that is out at once", () => {
  const on = { name: "a", rival: { name: "b", times: 1 }, basis: "round trips" } as const;
  equal(rounds(on, { b: 900, c: 800 }).name, "c");
  deepEqual(rounds(on, {}), NO_CHOICE);
});

Deno.test("chooseBest() counts each rival for itself", () => {
  const on = { name: "a", rival: null, basis: "round trips" } as const;
  const choice = rounds(on, { a: 90, b: 10, c: 20 }, { a: 90, b: 20, c: 10 }, {
    a: 90,
    b: 10,
    c: 20,
  });
  deepEqual(choice, {
    name: "a",
    rival: { name: "b", times: 1 },
    basis: "round trips",
  });
});
