import { equal, ok } from "node:assert/strict";
import { QueueLimit } from "./queue_limit.ts";

/** How many are dropped while `bytes` wait from `from` to `to`, looked at every ms. */
function drops(
  limit: QueueLimit,
  bytes: (now: number) => number,
  to: number,
  answerMs = 0,
): number {
  let dropped = 0;
  for (let now = 0; now < to; now++) {
    const waiting = bytes(now);
    limit.note(waiting, now);
    if (limit.mustDrop(waiting, 1000, 5000, answerMs, now)) dropped++;
  }
  return dropped;
}

Deno.test("a burst may wait for a moment, a standing queue is dropped of more and more often", () => {
  equal(drops(new QueueLimit(), (now) => now < 90 ? 4000 : 0, 300), 0);
  equal(drops(new QueueLimit(), (now) => now % 50 < 5 ? 500 : 4000, 1000), 0);
  const second = drops(new QueueLimit(), () => 4000, 1000);
  ok(second >= 10, `${second}`);
  ok(drops(new QueueLimit(), () => 4000, 2000) > 2.5 * second);
});

Deno.test("senders that take longer to answer are told less often", () => {
  const often = drops(new QueueLimit(), () => 4000, 2000);
  const seldom = drops(new QueueLimit(), () => 4000, 2000, 400);
  ok(seldom < often / 3 && seldom > 3, `${seldom}, else ${often}`);
});

Deno.test("a burst that is too large is cut at once", () => {
  equal(new QueueLimit().mustDrop(5001, 1000, 5000, 0, 0), true);
});
