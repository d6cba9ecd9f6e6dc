import { deepEqual, equal } from "node:assert/strict";
import { PathCarriage } from "./path_carriage.ts";

const counters = (records: number, expected: number, bytes: number) => ({
  state: "up" as const,
  arrived: { records, expected, bytes, isQueued: true },
  arrivedThere: {
    records: records / 10,
    expected: records / 10,
    bytes: bytes / 10,
    isQueued: false,
  },
});

Deno.test("what arrived between two looks is a rate, and a share that was lost", () => {
  const path = new PathCarriage();
  equal(path.look(counters(100, 100, 10_000), 1000), null);
  deepEqual(path.look(counters(190, 200, 30_000), 3000), {
    down: { rate: 10_000, loss: 0.1, isQueued: true },
    up: { rate: 1000, loss: 0, isQueued: false },
  });
});

Deno.test("counters go on past 2^32, and late records are no gain", () => {
  const path = new PathCarriage();
  path.look(counters(0xffff_fff0, 0xffff_fff5, 0xffff_ff00), 0);
  const carried = path.look({ ...counters(10, 10, 0x100), arrivedThere: null }, 1000);
  deepEqual(carried, {
    down: { rate: 512, loss: 0, isQueued: true },
    up: { rate: 0, loss: 0, isQueued: false },
  });
});

Deno.test("nothing is said of a path that does not work, is new, or was made anew", () => {
  const path = new PathCarriage();
  equal(path.look(null, 0), null);
  equal(path.look(counters(100, 100, 1000), 1000), null);
  equal(path.look({ ...counters(100, 100, 1000), state: "down" }, 2000), null);
  equal(path.look(counters(100, 100, 1000), 3000), null);
  equal(path.look(counters(5, 5, 50), 4000), null);
});
