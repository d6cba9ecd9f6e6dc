import { NO_PATH } from "../wire/path_id.ts";
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import {
  FLOW_IDLE_MS,
  FLOWS_MAX,
  FlowTable,
  SENT,
  SENT_GROWN,
  SENT_IN_WINDOW,
} from "./flow_table.ts";
import { GROWN_BYTES, GROWN_READ_BYTES_MIN, GROWN_WINDOW_MS } from "./grown_flow.ts";

Deno.test("a flow stays on its path", () => {
  const table = new FlowTable();
  equal(table.lookup(1, 2, 0), NO_PATH);
  table.assign(1, 2, 3, 0);
  table.assign(2, 1, 4, 0);
  table.assign(1, 1, 255, 0);
  equal(table.lookup(1, 2, 1), 3);
  equal(table.lookup(2, 1, 1), 4);
  equal(table.lookup(1, 1, 1), 255);
  equal(table.lookup(2, 2, 1), NO_PATH);
  equal(table.size, 3);
});

Deno.test("hashes of either sign are told apart", () => {
  const table = new FlowTable({ seed: -5 });
  const hashes = [0, 1, -1, 0x7fffffff, -0x80000000];
  for (const [index, hash] of hashes.entries()) table.assign(hash, -hash | 0, index, 0);
  for (const [index, hash] of hashes.entries()) equal(table.lookup(hash, -hash | 0, 0), index);
  equal(table.size, hashes.length);
  equal(table.lookup(0xffffffff, 1, 0), 2, "a u32 means the same as the int32 of its bits");
});

Deno.test("a flow is moved by assigning it again", () => {
  const table = new FlowTable();
  table.assign(1, 2, 0, 0);
  table.assign(1, 2, 5, 0);
  equal(table.lookup(1, 2, 0), 5);
  equal(table.size, 1);
});

Deno.test("a flow idle for its time is forgotten, and each use counts", () => {
  const table = new FlowTable();
  table.assign(1, 1, 0, 0);
  table.assign(2, 2, 0, 0);
  equal(table.lookup(1, 1, FLOW_IDLE_MS - 1), 0);
  equal(table.lookup(2, 2, FLOW_IDLE_MS), NO_PATH);
  equal(table.size, 1);
  equal(table.lookup(1, 1, 2 * FLOW_IDLE_MS - 2), 0);
  equal(table.lookup(1, 1, 4 * FLOW_IDLE_MS), NO_PATH);
  equal(table.size, 0);
});

Deno.test("idle flows make room without being asked for", () => {
  const table = new FlowTable({ capacity: 64 });
  for (let flow = 0; flow < 64; flow++) table.assign(flow, flow, 0, 0);
  for (let flow = 100; flow < 132; flow++) table.assign(flow, flow, 0, FLOW_IDLE_MS);
  equal(table.size, 32);
});

Deno.test("the flow least recently used goes first when there is no room", () => {
  const table = new FlowTable({ capacity: 4 });
  for (let flow = 0; flow < 4; flow++) table.assign(flow, 0, flow, flow);
  equal(table.lookup(0, 0, 10), 0);
  table.assign(9, 0, 9, 11);
  equal(table.size, 4);
  equal(table.lookup(1, 0, 12), NO_PATH);
  for (const flow of [0, 2, 3, 9]) equal(table.lookup(flow, 0, 13), flow);
});

Deno.test("a diverted flow remembers its home until it is assigned anew", () => {
  const table = new FlowTable({ capacity: 4 });
  table.assign(1, 1, 2, 0);
  table.divert(1, 1, 3, 0);
  deepEqual([table.lookup(1, 1, 0), table.home], [3, 2]);
  table.divert(1, 1, 2, 0);
  deepEqual([table.lookup(1, 1, 0), table.home], [2, 2]);
  table.divert(5, 5, 1, 0);
  deepEqual([table.lookup(5, 5, 0), table.home], [1, 1], "one that had no path is at home there");
  table.assign(1, 1, 0, 0);
  deepEqual([table.lookup(1, 1, 0), table.home], [0, 0]);
  equal(table.size, 2);
});

Deno.test("the whole table fills, and every flow is found in it", () => {
  const table = new FlowTable();
  for (let flow = 0; flow < FLOWS_MAX; flow++) table.assign(flow, flow << 16, flow & 255, 0);
  equal(table.size, FLOWS_MAX);
  for (let flow = 0; flow < FLOWS_MAX; flow++) equal(table.lookup(flow, flow << 16, 1), flow & 255);
  for (let flow = 0; flow < 1000; flow++) table.assign(-1 - flow, 1, 0, 2);
  equal(table.size, FLOWS_MAX);
});

Deno.test("paths and options out of range are refused", () => {
  const table = new FlowTable({ capacity: 4 });
  for (const path of [-1, 256, 1.5, NaN]) throws(() => table.assign(1, 1, path, 0), RangeError);
  equal(table.size, 0);
  for (const capacity of [0, 1, 3, 2.5, NaN, FLOWS_MAX * 2]) {
    throws(() => new FlowTable({ capacity }), RangeError);
  }
  for (const idleMs of [0, -1, NaN]) throws(() => new FlowTable({ idleMs }), RangeError);
});

interface ModelFlow {
  path: number;
  home: number;
  usedAt: number;
}

Deno.test("property: the table agrees with a map in order of use", () => {
  const capacity = 8;
  const idleMs = 50;
  const step = fc.record({
    action: fc.constantFrom("lookup", "assign", "divert"),
    // Few flows, so that they meet again; the hashes have bits in places of their own.
    flow: fc.integer({ min: -8, max: 8 }),
    path: fc.nat({ max: 3 }),
    elapsedMs: fc.oneof(fc.constant(0), fc.nat({ max: 3 }), fc.nat({ max: 40 })),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer(), (steps, seed) => {
      const table = new FlowTable({ capacity, idleMs, seed });
      /** In order of use, the oldest first. */
      const model = new Map<number, ModelFlow>();
      let now = 0;
      for (const { action, flow, path, elapsedMs } of steps) {
        now += elapsedMs;
        const hashB = Math.imul(flow, 0x01000000);
        const known = model.get(flow);
        if (action === "lookup") {
          const isGood = known !== undefined && now - known.usedAt < idleMs;
          equal(table.lookup(flow, hashB, now), isGood ? known.path : NO_PATH);
          if (isGood) equal(table.home, known.home);
          model.delete(flow);
          if (isGood) model.set(flow, { ...known, usedAt: now });
        } else {
          if (known === undefined) makeRoom(model, now);
          model.delete(flow);
          const home = action === "divert" ? known?.home ?? path : path;
          model.set(flow, { path, home, usedAt: now });
          if (action === "divert") table.divert(flow, hashB, path, now);
          else table.assign(flow, hashB, path, now);
        }
        equal(table.size, model.size);
        ok(table.size <= capacity);
      }
    }),
    { numRuns: 300 },
  );

  function makeRoom(model: Map<number, ModelFlow>, now: number): void {
    for (const [flow, entry] of [...model].slice(0, 2)) {
      if (now - entry.usedAt < idleMs) break;
      model.delete(flow);
    }
    if (model.size === capacity) model.delete([...model.keys()][0]!);
  }
});

Deno.test("a flow grows once by what it sends, and is then seen once in each window", () => {
  const table = new FlowTable({ capacity: 2 });
  table.assign(1, 1, 0, 0);
  const send = (bytes: number, now: number) => {
    table.lookup(1, 1, now);
    return table.noteSent(bytes, now);
  };
  equal(send(GROWN_BYTES - 1000, 0), SENT);
  for (let ack = 0; ack < 1000; ack++) equal(send(GROWN_READ_BYTES_MIN - 1, 0), SENT);
  equal(send(1000, 0), SENT_GROWN);
  equal(send(60_000, GROWN_WINDOW_MS - 1), SENT);
  equal(send(60_000, GROWN_WINDOW_MS), SENT_IN_WINDOW);
  equal(send(60_000, GROWN_WINDOW_MS), SENT);
  equal(send(60_000, 9 * GROWN_WINDOW_MS), SENT_IN_WINDOW);
  equal(send(40, 20 * GROWN_WINDOW_MS), SENT);
});

Deno.test("a flow that takes the place of another begins small", () => {
  const table = new FlowTable({ capacity: 2 });
  for (const flow of [1, 2, 3]) {
    table.assign(flow, flow, 0, 0);
    table.lookup(flow, flow, 0);
    equal(table.noteSent(GROWN_BYTES - 1, 0), SENT);
  }
  table.lookup(3, 3, 0);
  equal(table.noteSent(1000, 0), SENT_GROWN);
});

Deno.test("a flow that spilled keeps its home, until it is put elsewhere", () => {
  const table = new FlowTable({ capacity: 4 });
  const state = () => [table.lookup(1, 1, 0), table.home, table.isSpilled];
  table.assign(1, 1, 3, 0);
  deepEqual(state(), [3, 3, false]);
  table.spill(1, 1, 5, 0);
  deepEqual(state(), [5, 3, true]);
  table.divert(1, 1, 6, 0);
  deepEqual(state(), [6, 3, false]);
  table.spill(1, 1, 5, 0);
  table.assign(1, 1, 5, 0);
  deepEqual(state(), [5, 5, false]);
  table.assign(2, 2, 0, 0);
  table.lookup(2, 2, 0);
  equal(table.isSpilled, false);
});
