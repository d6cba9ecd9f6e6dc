import { deepEqual, equal, rejects } from "node:assert/strict";
import { firstGrant } from "./first_grant.ts";

const RUNNING = new AbortController().signal;
const untilAborted = (signal: AbortSignal) =>
  new Promise<string>((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(new Error("aborted")));
  });

function ask(attempts: ((signal: AbortSignal) => Promise<string>)[], signal = RUNNING) {
  const failures: string[] = [];
  const granted = firstGrant(attempts, {
    ...{ staggerMs: 20, signal },
    failed: (index, error) => void failures.push(`${index} ${(error as Error).message}`),
    worst: (errors) => errors.at(-1),
  });
  return { granted, failures };
}

Deno.test("the next one is asked at once when one says no, and the first yes counts", async () => {
  const asked: string[] = [];
  const { granted, failures } = ask([
    () => Promise.reject(new Error("no")),
    () => (asked.push("b"), Promise.resolve("b")),
    () => (asked.push("c"), Promise.resolve("c")),
  ]);
  equal(await granted, "b");
  deepEqual([asked, failures], [["b"], ["0 no"]]);
});

Deno.test("one that is silent holds nobody up, is aborted, and has not failed", async () => {
  let isAborted = false;
  const silent = (signal: AbortSignal) => untilAborted(signal).finally(() => isAborted = true);
  const { granted, failures } = ask([silent, () => Promise.resolve("b")]);
  equal(await granted, "b");
  await Promise.resolve();
  deepEqual([isAborted, failures], [true, []]);
});

Deno.test("one that is slow may still be the first", async () => {
  const other = Promise.withResolvers<void>();
  const slow = async () => {
    await other.promise;
    return "a";
  };
  const refuse = () => {
    setTimeout(other.resolve);
    return Promise.reject(new Error("no"));
  };
  const { granted, failures } = ask([slow, refuse]);
  equal(await granted, "a");
  deepEqual(failures, ["1 no"]);
});

Deno.test("when all say no, one reason is told; when it is stopped, nobody has failed", async () => {
  const no = (why: string) => () => Promise.reject(new Error(why));
  await rejects(ask([no("one"), no("two")]).granted, /two/);
  const stop = new AbortController();
  const { granted, failures } = ask([untilAborted, untilAborted], stop.signal);
  setTimeout(() => stop.abort(), 30);
  await rejects(granted, /aborted/);
  deepEqual(failures, []);
});
