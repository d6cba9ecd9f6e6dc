import { equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { ConnectionTable } from "./connection_table.ts";

Deno.test("add() evicts the oldest of the owner, then the oldest of all", () => {
  const table = new ConnectionTable<string>(3, 2);
  equal(table.add("a1", "a"), null);
  equal(table.add("a2", "a"), null);
  equal(table.add("a3", "a"), "a1");
  equal(table.add("b1", "b"), null);
  equal(table.add("b2", "b"), "a2");
  equal(table.size, 3);
});

Deno.test("remove() makes room, and forgives what is not there", () => {
  const table = new ConnectionTable<string>(1, 1);
  table.add("a1", "a");
  table.remove("a1");
  table.remove("a1");
  equal(table.size, 0);
  equal(table.add("b1", "b"), null);
});

Deno.test("no bound is ever exceeded, and the newest entry is always in", () => {
  const step = fc.record({
    owner: fc.integer({ min: 0, max: 4 }),
    forget: fc.option(fc.nat(40)),
  });
  const bounds = fc.tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 4 }));
  fc.assert(fc.property(bounds, fc.array(step), ([total, perOwner], steps) => {
    const table = new ConnectionTable<number>(total, perOwner);
    const inside = new Map<number, number>();
    steps.forEach(({ owner, forget }, entry) => {
      if (forget !== null) {
        table.remove(forget);
        inside.delete(forget);
      }
      const evicted = table.add(entry, String(owner));
      if (evicted !== null) ok(inside.delete(evicted));
      inside.set(entry, owner);
      equal(table.size, inside.size);
      ok(inside.size <= total);
      ok([...inside.values()].filter((other) => other === owner).length <= perOwner);
    });
  }));
});

Deno.test("bounds must be whole numbers from 1", () => {
  for (const bound of [0, -1, 1.5, NaN, Infinity]) {
    throws(() => new ConnectionTable(bound, 1), RangeError);
    throws(() => new ConnectionTable(1, bound), RangeError);
  }
});
