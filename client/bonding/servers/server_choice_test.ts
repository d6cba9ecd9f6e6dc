import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { ServerChoice, type ServerFigures, TRUST_FIRST_MS, TRUST_MAX_MS } from "./server_choice.ts";

const at = (rttMs: number, load: number | null = null, isDraining = false): ServerFigures => ({
  ...{ rttMs, load, isDraining },
});

/** In use since `nowMs` is the first of `count`, taken in order. */
function inOrder(count: number, nowMs = 0): ServerChoice {
  const choice = new ServerChoice(count, "order");
  choice.granted(0, nowMs);
  return choice;
}

Deno.test("in order: the first that works, and the lost one is asked last", () => {
  const choice = new ServerChoice(3, "order");
  deepEqual(choice.plan("first", 0), [0, 1, 2]);
  choice.granted(0, 0);
  deepEqual(choice.plan("renewal", 1), [0], "a session stays where it is");
  choice.lost(10);
  deepEqual(choice.plan("lost", 10), [1, 2, 0]);
  choice.failed(1, 11);
  deepEqual(choice.plan("lost", 11), [0, 2, 1], "it may be the network");
});

Deno.test("nearest: by round trip and load, those that tell nothing last", () => {
  const choice = new ServerChoice(4, "nearest");
  ok(choice.needsFigures);
  choice.answered(0, at(20, 0.9), 0);
  choice.answered(1, at(25, 0.1), 0);
  choice.answered(3, at(90), 0);
  ok(!choice.needsFigures);
  deepEqual(choice.plan("first", 0), [1, 0, 3, 2]);
});

Deno.test("a server that drains is left, asked last, and gone back to when it is well again", () => {
  const choice = inOrder(2);
  ok(!choice.mustLeave);
  choice.drains(0);
  ok(choice.mustLeave);
  deepEqual(choice.plan("renewal", 10), [1, 0]);
  choice.granted(1, 20);
  equal(choice.stateOf(0, 20).state, "draining");
  choice.answered(0, at(5, null, true), 10_000);
  equal(choice.better(100_000), null);
  choice.silent(0, 110_000);
  equal(choice.stateOf(0, 110_000).state, "draining");
  choice.answered(0, at(5), 120_000);
  equal(choice.better(120_000 + TRUST_FIRST_MS - 1), null);
  equal(choice.better(120_000 + TRUST_FIRST_MS), 0);
});

Deno.test("a server that answered nothing in between begins anew to be trusted", () => {
  const choice = inOrder(2);
  choice.drains(0);
  choice.granted(1, 0);
  choice.answered(0, at(5), 0);
  choice.silent(0, 10_000);
  choice.answered(0, at(5), 12_000);
  equal(choice.better(20_000), null);
  equal(choice.better(12_000 + TRUST_FIRST_MS), 0);
});

Deno.test("whose fault a loss is shows when another server grants a session", () => {
  const choice = inOrder(2);
  choice.lost(100);
  choice.granted(0, 200);
  choice.drains(0);
  choice.granted(1, 300);
  choice.answered(0, at(5), 400);
  equal(choice.better(400 + TRUST_FIRST_MS), 0, "it was the network's: trusted as before");
});

Deno.test("when no server can be asked, the one that was lost is not to blame", () => {
  const choice = inOrder(3);
  choice.lost(100);
  for (const index of [1, 2, 0]) choice.failed(index, 200);
  deepEqual(choice.plan("lost", 5000), [0, 1, 2], "as in the beginning");
  choice.granted(1, 6000);
  choice.answered(0, at(5), 6000);
  equal(choice.better(6000 + TRUST_FIRST_MS), 0, "trusted as before");
  choice.granted(0, 7000);
  choice.lost(40_000);
  deepEqual(choice.plan("lost", 40_000), [1, 2, 0]);
});

Deno.test("a move that fails is not tried again at once", () => {
  const choice = inOrder(2);
  choice.lost(0);
  choice.granted(1, 0);
  choice.answered(0, at(5), 0);
  const backMs = 2 * TRUST_FIRST_MS;
  equal(choice.better(backMs), 0);
  choice.aimAt(0);
  deepEqual(choice.plan("renewal", backMs), [0]);
  equal(choice.better(backMs), null, "one move at a time");
  choice.failed(0, backMs);
  choice.answered(0, at(5), backMs);
  equal(choice.better(backMs + 2 * TRUST_FIRST_MS), null);
  equal(choice.better(backMs + 4 * TRUST_FIRST_MS), 0);
});

Deno.test("nearest: a little nearer is no reason to move, much nearer for a while is", () => {
  const choice = new ServerChoice(2, "nearest");
  choice.granted(0, 0);
  const tell = (nowMs: number, rttMs: number) => {
    choice.answered(0, at(50), nowMs);
    choice.answered(1, at(rttMs), nowMs);
  };
  for (let nowMs = 0; nowMs <= 600_000; nowMs += 60_000) tell(nowMs, 42);
  equal(choice.better(600_000), null);
  tell(660_000, 20);
  equal(choice.better(660_000), null);
  tell(720_000, 20);
  equal(choice.better(720_000), 1);
  choice.granted(1, 720_000);
  choice.answered(1, at(90), 780_000);
  choice.answered(0, at(20), 780_000);
  equal(choice.better(900_000), null, "not so soon after the last move");
});

Deno.test("servers behind the one in use are not asked in order; silent ones ever more seldom", () => {
  const choice = inOrder(3);
  deepEqual(choice.probesDue(1_000_000), []);
  choice.lost(0);
  choice.granted(1, 0);
  const askedMs: number[] = [];
  for (let nowMs = 0; nowMs < 600_000; nowMs += 1000) {
    for (const index of choice.probesDue(nowMs)) {
      equal(index, 0);
      askedMs.push(nowMs);
      choice.silent(index, nowMs);
    }
  }
  ok(askedMs[0]! <= 10_000, String(askedMs));
  ok(askedMs.length < 16, `${askedMs.length} times in ten minutes`);
});

Deno.test("how servers stand", () => {
  const choice = inOrder(4);
  choice.lost(0);
  choice.granted(1, 0);
  choice.answered(0, at(5, 0.5), 0);
  choice.silent(3, 0);
  const states = (nowMs: number) => [0, 1, 2, 3].map((index) => choice.stateOf(index, nowMs).state);
  deepEqual(states(0), ["not trusted yet", "in use", "not asked", "silent"]);
  deepEqual(states(TRUST_MAX_MS), ["ready", "in use", "not asked", "silent"]);
  deepEqual(choice.stateOf(0, 0), { state: "not trusted yet", rttMs: 5, load: 0.5 });
});

Deno.test("property: each server is planned once, and those that drain are last", () => {
  const event = fc.tuple(
    fc.constantFrom("granted", "lost", "failed", "drains", "answered", "silent"),
    fc.nat(3),
  );
  fc.assert(fc.property(fc.array(event, { maxLength: 60 }), fc.boolean(), (events, isNearest) => {
    const choice = new ServerChoice(4, isNearest ? "nearest" : "order");
    events.forEach(([what, index], step) => {
      const nowMs = step * 7000;
      if (what === "lost") choice.lost(nowMs);
      else if (what === "drains") choice.drains(index);
      else if (what === "answered") choice.answered(index, at(index * 10 + 5), nowMs);
      else choice[what as "granted" | "failed" | "silent"](index, nowMs);
      for (const purpose of ["first", "lost"] as const) {
        const plan = choice.plan(purpose, nowMs);
        deepEqual([...plan].sort(), [0, 1, 2, 3]);
        const drained = plan.map((one) => choice.stateOf(one, nowMs).state === "draining");
        deepEqual([...drained].sort(), drained, "false before true");
      }
      ok(choice.plan("renewal", nowMs).length > 0);
    });
  }));
});

const DAY_S = 24 * 3600;

/** How often a client leaves the first of two servers in a day, which is up and down for so long in turn. */
function movesInADay(upS: number, downS: number): number {
  const choice = inOrder(2);
  let moves = 0;
  for (let second = 1; second <= DAY_S; second++) {
    const nowMs = second * 1000;
    const isUp = second % (upS + downS) < upS;
    if (choice.current === 0 && !isUp) {
      choice.lost(nowMs);
      choice.granted(1, nowMs);
      moves++;
    }
    for (const index of choice.probesDue(nowMs)) {
      if (isUp) choice.answered(index, at(5), nowMs);
      else choice.silent(index, nowMs);
    }
    const better = choice.better(nowMs);
    if (better !== null) choice.granted(better, nowMs);
  }
  return moves;
}

/** It is trusted after 15 s, 30 s, 1 min, ... 16 min without a break, then after half an hour. */
const DOUBLINGS = 8;

Deno.test("property: a server that is away for minutes moves nobody for long, whatever its rhythm", () => {
  const rhythm = [fc.integer({ min: 20, max: 600 }), fc.integer({ min: 61, max: 300 })] as const;
  fc.assert(
    fc.property(...rhythm, (upS, downS) => {
      ok(movesInADay(upS, downS) <= DOUBLINGS, `${upS} s up, ${downS} s down`);
    }),
    { numRuns: 20 },
  );
});

Deno.test("property: one whose breaks are too short to be seen moves it each half an hour at most", () => {
  const rhythm = [fc.integer({ min: 20, max: 600 }), fc.integer({ min: 1, max: 60 })] as const;
  const movesMax = DOUBLINGS + DAY_S * 1000 / TRUST_MAX_MS;
  fc.assert(
    fc.property(...rhythm, (upS, downS) => {
      ok(movesInADay(upS, downS) <= movesMax, `${upS} s up, ${downS} s down`);
    }),
    { numRuns: 20, examples: [[361, 1]] },
  );
});
