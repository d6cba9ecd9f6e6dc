import { deepEqual, equal, ok } from "node:assert/strict";
import { MtuRound, ROUND_LENGTH_MAX } from "./mtu_round.ts";

function sizes(round: MtuRound): number[] {
  const all: number[] = [];
  for (let size = round.next(); size > 0; size = round.next()) all.push(size);
  return all;
}

function roundOf(...sizes: number[]): MtuRound {
  const round = new MtuRound();
  for (const size of sizes) round.add(size);
  return round;
}

Deno.test("an answer settles the smaller sizes, and says that the path works", () => {
  const round = roundOf(576, 1300, 1400);
  deepEqual(sizes(round), [576, 1300, 1400]);
  ok(round.isSent && !round.isSettled && !round.isHeard);
  round.answered(1300);
  ok(round.isHeard && !round.isSettled);
  equal(round.smallestLost(1300), 1400);
  round.answered(1400);
  ok(round.isSettled);
  equal(round.smallestLost(0), 0);
});

Deno.test("an answer to another round does not say that the path works", () => {
  const round = roundOf(576, 1400);
  round.answered(576);
  equal(round.isHeard, false, "before it was sent");
  sizes(round);
  round.answered(1300);
  equal(round.isHeard, false);
});

Deno.test("what was refused is neither sent nor lost", () => {
  const round = roundOf(576, 1300, 1400);
  equal(round.next(), 576);
  round.refused(1300);
  deepEqual(sizes(round), []);
  ok(round.isSent && !round.isSettled);
  equal(round.smallestLost(0), 576);
});

Deno.test("sizes of links lie between two others", () => {
  const round = new MtuRound();
  ok(round.addLinkSizes(1202, 1400, 78));
  deepEqual(sizes(round), [1322, 1342, 1382, 1394]);
  equal(round.addLinkSizes(1394, 1400, 78), false);
});

Deno.test("divisions begin a step above, and end below", () => {
  const divided = (from: number, to: number) => {
    const round = new MtuRound();
    round.addDivisions(from, to, 8);
    return sizes(round);
  };
  deepEqual(divided(1000, 1100), [1008, 1020, 1040, 1060, 1080]);
  deepEqual(divided(1000, 1020), [1008, 1016]);
  deepEqual(divided(1000, 1008), []);
});

Deno.test("it takes so many probes and no more, and none after clear()", () => {
  const round = new MtuRound();
  for (let i = 0; i < ROUND_LENGTH_MAX + 5; i++) round.add(1000);
  equal(round.length, ROUND_LENGTH_MAX);
  round.clear();
  deepEqual(sizes(round), []);
  ok(round.isSettled);
});
