import { equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { COPY_WINDOW, CopyFilter } from "./copy_filter.ts";

Deno.test("CopyFilter lets each number through once, in any order within the window", () => {
  const numbers = fc.array(fc.integer({ min: 0, max: 600 }), { maxLength: 400 });
  fc.assert(fc.property(numbers, fc.integer({ min: 0, max: 0xffffffff }), (offsets, start) => {
    const filter = new CopyFilter();
    const seen = new Set<number>();
    for (const offset of offsets) {
      const sequence = (start + offset) >>> 0;
      equal(filter.accept(sequence), !seen.has(sequence));
      seen.add(sequence);
    }
  }));
});

Deno.test("CopyFilter goes on where the numbers wrap", () => {
  const filter = new CopyFilter();
  for (const sequence of [0xfffffffe, 0xffffffff, 1, 2]) {
    ok(filter.accept(sequence));
    equal(filter.accept(sequence), false);
  }
  equal(filter.accept(0xffffffff), false);
});

Deno.test("CopyFilter refuses what is too old to tell, and forgets after a jump", () => {
  const filter = new CopyFilter();
  ok(filter.accept(10));
  ok(filter.accept(10 + COPY_WINDOW));
  equal(filter.accept(10), false);
  ok(filter.accept(11));
  ok(filter.accept(1_000_000));
  ok(filter.accept(1_000_000 - COPY_WINDOW + 1));
  equal(filter.accept(1_000_000 - COPY_WINDOW), false);
});
