import { equal, ok } from "node:assert/strict";
import { SequenceCounters } from "./sequence_counters.ts";

const TODAY_MS = 1_790_000_000_000;
const DAY_MS = 86_400_000;

/** How far `later` is ahead, modulo 2^32. */
function ahead(later: number, earlier: number): number {
  return (later - earlier) | 0;
}

Deno.test("the sessions of a client share one counter, those of others do not", () => {
  const counters = new SequenceCounters();
  const alice = counters.of("alice", TODAY_MS);
  alice.last += 1000;
  equal(counters.of("alice", TODAY_MS + 5000), alice);
  ok(counters.of("bob", TODAY_MS) !== alice);
});

Deno.test("a server that is started again goes on above what it used", () => {
  for (const days of [0.001, 1, 30]) {
    for (const perSecond of [0, 10, 120]) {
      const before = new SequenceCounters().of("alice", TODAY_MS);
      const used = before.last + Math.floor(days * DAY_MS / 1000 * perSecond);
      const after = new SequenceCounters().of("alice", TODAY_MS + days * DAY_MS);
      ok(ahead(after.last, used) > 0, `${days} days, ${perSecond} packets a second`);
    }
  }
});

Deno.test("a client that is new takes the first number for one that is ahead", () => {
  for (let day = 0; day < 1000; day++) {
    const { last } = new SequenceCounters().of("alice", TODAY_MS + day * DAY_MS);
    ok(last >= 0 && ahead(last + 1, 1) >= 0, `day ${day}`);
  }
});

Deno.test("counters are bounded in number, and the least recently used one goes", () => {
  const counters = new SequenceCounters();
  const first = counters.of("0", 0);
  const second = counters.of("1", 0);
  for (let name = 2; name < 1024; name++) counters.of(String(name), 0);
  equal(counters.of("0", 0), first);
  counters.of("1024", 0);
  equal(counters.of("0", 0), first);
  ok(counters.of("1", 0) !== second);
});
