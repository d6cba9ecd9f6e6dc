import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { KeyValue, StoredValue } from "./key_value.ts";
import { StoreLink } from "./store_link.ts";

const BEAT = { key: "server.0000000000000001", value: new Uint8Array([1]) };

/** A link over `connect`, whose pauses take no time but that of its own clock. */
function linkTo(connect: () => Promise<KeyValue>) {
  let nowMs = 0;
  const warnings: string[] = [];
  const pauses: number[] = [];
  let currents = 0;
  const link = new StoreLink({
    service: { place: "n1", connect },
    beat: () => BEAT,
    begin: () => {},
    changed: () => {},
    current: () => void currents++,
    warn: (line) => void warnings.push(line),
    nowMs: () => nowMs,
    pause: (ms) => {
      nowMs += ms;
      pauses.push(ms);
      return new Promise((resolve) => setImmediate(resolve));
    },
    random: () => 0.5,
  });
  const until = async (what: string, state: () => boolean) => {
    for (let turn = 0; turn < 5000; turn++) {
      if (state()) return;
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error(`It never came to this: ${what}`);
  };
  return { link, warnings, pauses, until, currents: () => currents };
}

/** A connection that tells what is written by the watch, or not. */
function connection(tells: "echo" | "nothing", write = () => Promise.resolve(7)): KeyValue {
  let told: (value: StoredValue) => void = () => {};
  return {
    write: async (key, value) => {
      const revision = await write();
      if (tells === "echo") told({ key, value, revision });
      return revision;
    },
    read: () => Promise.resolve(null),
    remove: () => Promise.resolve(),
    watch: (changed, signal) => {
      told = changed;
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

Deno.test("StoreLink is there once its heartbeat has come back by the watch", async () => {
  const { link, warnings, until, currents } = linkTo(() => Promise.resolve(connection("echo")));
  await using _link = link;
  equal(link.store, null);
  await until("it is there", () => link.store !== null);
  equal(link.problem, null);
  ok(link.reachedAtMs !== null);
  equal(currents(), 1);
  deepEqual(warnings, []);
});

Deno.test("StoreLink takes a store for away that takes writes and tells of none", async () => {
  const { link, warnings, until } = linkTo(() => Promise.resolve(connection("nothing")));
  await using _link = link;
  await until("it has noticed", () => warnings.length > 0);
  equal(link.store, null);
  match(warnings[0]!, /at n1: it takes what is written and does not tell of it; sessions go on/);
});

Deno.test("StoreLink tries again with growing pauses, and says a problem once", async () => {
  let tries = 0;
  let isUp = false;
  const { link, warnings, pauses, until } = linkTo(() => {
    tries++;
    return isUp ? Promise.resolve(connection("echo")) : Promise.reject(new Error("nobody there"));
  });
  await using _link = link;
  await until("it has tried often", () => tries > 8);
  equal(warnings.length, 1);
  deepEqual(pauses.slice(0, 7), [400, 800, 1600, 3200, 5000, 5000, 5000]);
  isUp = true;
  await until("it is there", () => link.store !== null);
  equal(warnings.at(-1), "the shared store is reached again");
});

Deno.test("StoreLink begins anew when the store takes no heartbeat three times", async () => {
  let connections = 0;
  const { link, until } = linkTo(() => {
    connections++;
    return Promise.resolve(connection("echo", () => Promise.reject(new Error("no leader"))));
  });
  await using _link = link;
  await until("it has another connection", () => connections > 1);
  equal(link.problem, "no leader");
});
