import { equal, ok } from "node:assert/strict";
import { COLLECT_HELD_MS, COLLECT_MS, WakeModeration } from "./wake_moderation.ts";

/** Lets packets of `bytes` come every `everyMs` for `forMs`; returns wake-ups and the longest delay. */
function run(
  moderation: WakeModeration,
  everyMs: number,
  bytes: number,
  forMs: number,
  turnMs = 0,
) {
  let wakes = 0;
  let longestMs = 0;
  let idleSince = 0;
  let mayLookAt = 0;
  let waiting: number[] = [];
  for (let arrival = everyMs; arrival < forMs; arrival += everyMs) {
    while (waiting.length > 0 && Math.max(mayLookAt, waiting[0]!) <= arrival) {
      const now = Math.max(mayLookAt, waiting[0]!);
      const taken = waiting.filter((at) => at <= now);
      waiting = waiting.filter((at) => at > now);
      moderation.turnStarted(now - Math.min(now, Math.max(idleSince, mayLookAt)), now);
      moderation.moved(taken.length * bytes);
      longestMs = Math.max(longestMs, ...taken.map((at) => now - at));
      wakes++;
      idleSince = now + turnMs;
      mayLookAt = idleSince + moderation.pauseMs(idleSince);
    }
    waiting.push(arrival);
  }
  return { wakes, longestMs };
}

Deno.test("packets that come fast are collected for half a millisecond", () => {
  const { wakes, longestMs } = run(new WakeModeration(), 0.1, 1400, 100);
  ok(wakes < 300, `${wakes} wake-ups for 1000 packets`);
  ok(longestMs <= COLLECT_MS);
});

Deno.test("they collect for as long behind a turn that takes a while", () => {
  const turnMs = 0.1;
  const { wakes, longestMs } = run(new WakeModeration(), 0.25, 1400, 1000, turnMs);
  ok(wakes < 1700, `${wakes} wake-ups for 4000 packets`);
  ok(longestMs < COLLECT_MS + turnMs + 0.001, `waited for ${longestMs} ms`);
});

Deno.test("packets a few milliseconds apart wait for nothing", () => {
  const { wakes, longestMs } = run(new WakeModeration(), 3, 1400, 300);
  equal(wakes, 98);
  equal(longestMs, 0);
});

Deno.test("a packet after a rest waits for nothing, however fast they came before", () => {
  const moderation = new WakeModeration();
  run(moderation, 0.1, 1400, 100);
  moderation.turnStarted(20, 200);
  moderation.moved(1400);
  equal(moderation.pauseMs(200.05), 0);
});

Deno.test("where much comes, or a turn takes long, nothing waits", () => {
  equal(run(new WakeModeration(), 0.1, 64_000, 100).longestMs, 0);
  const moderation = new WakeModeration();
  for (let turn = 0; turn < 20; turn++) moderation.turnStarted(0, turn);
  moderation.moved(1000);
  equal(moderation.pauseMs(19 + COLLECT_MS), 0);
});

Deno.test("a turn that brings little amid much waits for nothing", () => {
  const moderation = new WakeModeration();
  let now = 0;
  for (; now < 20; now += 0.1) {
    moderation.turnStarted(0, now);
    moderation.moved(64_000);
  }
  moderation.turnStarted(0, now);
  moderation.moved(1000);
  equal(moderation.pauseMs(now), 0);
  for (; now < 40; now += 0.1) {
    moderation.turnStarted(0, now);
    moderation.moved(1000);
  }
  equal(moderation.pauseMs(now), COLLECT_MS, "and collects again when that is over");
});

Deno.test("while packets are held back, others collect for longer", () => {
  const moderation = new WakeModeration();
  for (let turn = 0; turn < 20; turn++) moderation.turnStarted(0, turn / 10);
  moderation.moved(1000);
  equal(moderation.pauseMs(1.95, true), COLLECT_HELD_MS);
  equal(moderation.pauseMs(1.95), COLLECT_MS);
});

Deno.test("small records that come faster than turns take them wait for no next turn", () => {
  const moderation = new WakeModeration();
  for (let turn = 0; turn < 20; turn++) moderation.turnStarted(0, turn / 10);
  moderation.moved(16 * 100);
  moderation.leftMore();
  equal(moderation.pauseMs(1.95), 0);
  moderation.turnStarted(0, 2);
  moderation.moved(15 * 100);
  equal(moderation.pauseMs(2.05), COLLECT_MS, "until all is taken");
});
