import { equal } from "node:assert/strict";
import fc from "fast-check";
import { NO_SLOT, SlotSet } from "./slot_set.ts";

Deno.test("SlotSet finds members across words and summaries", () => {
  const set = new SlotSet(65536);
  equal(set.nextFrom(0), NO_SLOT);
  for (const slot of [0, 31, 32, 1023, 1024, 40_000, 65_535]) set.add(slot);
  equal(set.nextFrom(0), 0);
  equal(set.nextFrom(1), 31);
  equal(set.nextFrom(32), 32);
  equal(set.nextFrom(33), 1023);
  equal(set.nextFrom(1024), 1024);
  equal(set.nextFrom(1025), 40_000);
  equal(set.nextFrom(40_001), 65_535);
  set.delete(65_535);
  equal(set.nextFrom(40_001), NO_SLOT);
});

Deno.test("property: SlotSet agrees with a Set", () => {
  const capacity = fc.constantFrom(1, 31, 32, 33, 1023, 1024, 1025, 5000);
  const steps = fc.array(fc.tuple(fc.boolean(), fc.nat()), { maxLength: 200 });
  fc.assert(fc.property(capacity, steps, fc.nat(), (capacity, steps, probe) => {
    const set = new SlotSet(capacity);
    const model = new Set<number>();
    for (const [isAdd, number] of steps) {
      const slot = number % capacity;
      if (isAdd) {
        set.add(slot);
        model.add(slot);
      } else {
        set.delete(slot);
        model.delete(slot);
      }
      const from = probe % capacity;
      const expected = [...model].filter((member) => member >= from).sort((a, b) => a - b)[0];
      equal(set.nextFrom(from), expected ?? NO_SLOT);
      equal(set.has(from), model.has(from));
    }
  }));
});
