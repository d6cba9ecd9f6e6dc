import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { bestMove, type LoadedPath } from "./flow_moves.ts";

const MBIT = 125_000;

function path(id: number, fields: Partial<LoadedPath>): LoadedPath {
  return { id, isFar: false, isFull: false, flows: 0, rate: 0, fullRate: null, ...fields };
}

/** A path that its flows fill. */
function full(id: number, mbit: number, flows: number, isFar = false): LoadedPath {
  return path(id, { isFar, isFull: true, flows, rate: mbit * MBIT, fullRate: mbit * MBIT });
}

Deno.test("flows of a full path go where each gets clearly more", () => {
  deepEqual(bestMove([full(0, 20, 4), path(1, { fullRate: 20 * MBIT })]), { from: 0, to: 1 });
  deepEqual(bestMove([full(0, 20, 4), full(1, 20, 1)]), { from: 0, to: 1 });
  equal(bestMove([full(0, 20, 3), full(1, 20, 2)]), null);
  equal(bestMove([path(0, { flows: 4, rate: 9 * MBIT }), path(1, {})]), null, "there is room");
  equal(bestMove([]), null);
});

Deno.test("a far path takes flows when near ones are full, but not the only one of a path", () => {
  const far = path(1, { isFar: true });
  deepEqual(bestMove([full(0, 50, 8), far]), { from: 0, to: 1 });
  equal(bestMove([full(0, 50, 1), far]), null);
  deepEqual(bestMove([full(0, 1, 1), far]), { from: 0, to: 1 }, "the near one is very slow");
});

Deno.test("a burst that meets a queue moves nothing", () => {
  const far = path(1, { isFar: true });
  equal(bestMove([path(0, { isFull: true, flows: 1, rate: MBIT }), far]), null);
  const burst = { isFull: true, flows: 1, rate: MBIT, fullRate: 50 * MBIT };
  equal(bestMove([path(0, burst), far]), null);
});

Deno.test("flows come home when there is room, or no less to get", () => {
  const near = path(0, { fullRate: 50 * MBIT, rate: 10 * MBIT, flows: 1 });
  deepEqual(bestMove([near, full(1, 20, 1, true)]), { from: 1, to: 0 });
  deepEqual(
    bestMove([near, path(1, { isFar: true, flows: 1, rate: MBIT })]),
    { from: 1, to: 0 },
    "also one that wants little",
  );
  equal(bestMove([full(0, 50, 6), full(1, 20, 2, true)]), null);
});

Deno.test("a path that was never full is thought to be as good as the best", () => {
  deepEqual(bestMove([full(0, 100, 2), path(1, {})]), { from: 0, to: 1 });
  deepEqual(bestMove([full(0, 1, 1), path(1, {})]), { from: 0, to: 1 });
  equal(bestMove([full(0, 20, 1), path(1, {})]), null);
});

Deno.test("property: moves come to an end, and none is undone at once", () => {
  const paths = fc.array(
    fc.record({
      mbit: fc.integer({ min: 1, max: 1000 }),
      flows: fc.nat({ max: 8 }),
      isFar: fc.boolean(),
    }),
    { minLength: 1, maxLength: 5 },
  );
  fc.assert(fc.property(paths, (links) => {
    const flows = links.map(({ flows }) => flows);
    const snapshot = () =>
      links.map(({ mbit, isFar }, id) =>
        flows[id]! > 0
          ? full(id, mbit, flows[id]!, isFar)
          : path(id, { isFar, fullRate: mbit * MBIT })
      );
    for (let moves = 0; moves < 200; moves++) {
      const move = bestMove(snapshot());
      if (move === null) return;
      flows[move.from]!--;
      flows[move.to]!++;
      const next = bestMove(snapshot());
      equal(next?.from === move.to && next.to === move.from, false, `back and forth: ${flows}`);
    }
    throw new Error(`no end: ${flows}`);
  }));
});
