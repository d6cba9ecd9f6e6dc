import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { InOrder } from "./in_order.ts";

Deno.test("results are handled in the order in which work was begun", async () => {
  const order = fc.shuffledSubarray([...Array(20).keys()], { minLength: 20 });
  await fc.assert(
    fc.asyncProperty(order, async (order) => {
      const handled: number[] = [];
      const inOrder = new InOrder<number>(8, (result) => handled.push(result), () => {});
      const work = order.map(() => Promise.withResolvers<number>());
      for (const { promise } of work) inOrder.push(promise);
      equal(inOrder.count, 20);
      for (const index of order) work[index]!.resolve(index);
      await inOrder.whenDone();
      deepEqual(handled, [...Array(20).keys()]);
      equal(inOrder.count, 0);
    }),
    { numRuns: 20 },
  );
});

Deno.test("there is room until the capacity is under way, and again when half is done", async () => {
  const inOrder = new InOrder<void>(4, () => {}, () => {});
  const work = [1, 2, 3, 4].map(() => Promise.withResolvers<void>());
  await inOrder.whenRoom();
  for (const { promise } of work) {
    equal(inOrder.hasRoom, true);
    inOrder.push(promise);
  }
  equal(inOrder.hasRoom, false);
  let counted = -1;
  const room = inOrder.whenRoom().then(() => counted = inOrder.count);
  for (const { resolve } of work) {
    resolve();
    await work[0]!.promise;
  }
  await room;
  equal(counted <= 2, true);
  await inOrder.whenDone();
});

Deno.test("a failure is told in its turn, and the rest goes on", async () => {
  const log: string[] = [];
  const inOrder = new InOrder<string>(4, (result) => {
    if (result === "bad") throw new Error("cannot handle");
    log.push(result);
  }, (error) => log.push((error as Error).message));
  const first = Promise.withResolvers<string>();
  inOrder.push(first.promise);
  inOrder.push(Promise.reject(new Error("rejected")));
  inOrder.push(Promise.resolve("bad"));
  inOrder.push(Promise.resolve("last"));
  first.resolve("first");
  await inOrder.whenDone();
  deepEqual(log, ["first", "rejected", "cannot handle", "last"]);
  equal(inOrder.count, 0);
});
