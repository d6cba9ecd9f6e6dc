import { deepEqual, equal, rejects } from "node:assert/strict";
import { SerialQueue } from "./serial_queue.ts";

/** Actions that note when they begin and end, and end when they are let go. */
function makeActions() {
  const log: string[] = [];
  const gates = new Map<string, PromiseWithResolvers<void>>();
  const action = (name: string) => async () => {
    log.push(`begin ${name}`);
    const gate = Promise.withResolvers<void>();
    gates.set(name, gate);
    await gate.promise;
    log.push(`end ${name}`);
    return name;
  };
  const end = async (name: string) => {
    while (!gates.has(name)) await Promise.resolve();
    gates.get(name)!.resolve();
  };
  return { log, action, end };
}

Deno.test("SerialQueue begins an action when the one before it has ended", async () => {
  const { log, action, end } = makeActions();
  const queue = new SerialQueue();
  const both = [queue.run(action("a")), queue.run(action("b"))];
  await end("a");
  await end("b");
  deepEqual(await Promise.all(both), ["a", "b"]);
  deepEqual(log, ["begin a", "end a", "begin b", "end b"]);
});

Deno.test("SerialQueue goes on behind an action that fails, and tells who asked for it", async () => {
  const queue = new SerialQueue();
  const failed = queue.run(() => Promise.reject(new Error("no room")));
  const thrown = queue.run(() => {
    throw new Error("at once");
  });
  const next = queue.run(() => Promise.resolve(7));
  await rejects(failed, /no room/);
  await rejects(thrown, /at once/);
  equal(await next, 7);
});

Deno.test("SerialQueue.shared() has at most one run waiting, which all share that ask", async () => {
  const queue = new SerialQueue();
  const { log, action, end } = makeActions();
  let runs = 0;
  const look = queue.shared(() => action(`look ${++runs}`)());
  const first = look();
  while (log.length === 0) await Promise.resolve();
  const rest = [look(), look(), look()];
  await end("look 1");
  await end("look 2");
  equal(await first, "look 1");
  deepEqual(await Promise.all(rest), ["look 2", "look 2", "look 2"]);
  deepEqual(log, ["begin look 1", "end look 1", "begin look 2", "end look 2"]);
});

Deno.test("SerialQueue.shared() runs again after a run that failed", async () => {
  const queue = new SerialQueue();
  let runs = 0;
  const look = queue.shared(() =>
    ++runs === 1 ? Promise.reject(new Error("once")) : Promise.resolve()
  );
  await rejects(look(), /once/);
  await look();
  equal(runs, 2);
});

Deno.test("SerialQueue.idle() waits for what is asked for in the meantime, too", async () => {
  const queue = new SerialQueue();
  const done: string[] = [];
  queue.run(async () => {
    await Promise.resolve();
    queue.run(async () => {
      await Promise.resolve();
      done.push("inner");
    });
    done.push("outer");
  });
  await queue.idle();
  deepEqual(done, ["outer", "inner"]);
});
