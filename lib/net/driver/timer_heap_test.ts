import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { TimerHeap } from "./timer_heap.ts";

class Item {
  dueAt = Infinity;
  heapIndex = -1;
  constructor(readonly name: number) {}
}

/** Takes out what is due, in the order in which the heap gives it. */
function drain(heap: TimerHeap<Item>, now: number): number[] {
  const taken: number[] = [];
  for (let item = heap.due(now); item !== null; item = heap.due(now)) {
    taken.push(item.dueAt);
    heap.remove(item);
  }
  return taken;
}

Deno.test("an empty heap has nothing due", () => {
  const heap = new TimerHeap<Item>();
  equal(heap.nextAt, Infinity);
  equal(heap.due(Infinity), null);
  heap.remove(new Item(1));
});

Deno.test("items come out in the order of their deadlines, and none before its time", () => {
  const heap = new TimerHeap<Item>();
  for (const at of [30, 10, 20, 40]) heap.schedule(new Item(at), at);
  deepEqual(drain(heap, 9), []);
  deepEqual(drain(heap, 25), [10, 20]);
  equal(heap.nextAt, 30);
  deepEqual(drain(heap, Infinity), [30, 40]);
});

Deno.test("whatever is scheduled, moved and removed, the heap is as a sorted list", () => {
  const step = fc.record({
    item: fc.nat(20),
    at: fc.option(fc.integer({ min: 0, max: 1000 }), { freq: 4 }),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const heap = new TimerHeap<Item>();
    const items = Array.from({ length: 21 }, (_, name) => new Item(name));
    const model = new Map<number, number>();
    for (const { item, at } of steps) {
      if (at === null) {
        heap.remove(items[item]!);
        model.delete(item);
      } else {
        heap.schedule(items[item]!, at);
        model.set(item, at);
      }
      equal(heap.nextAt, Math.min(Infinity, ...model.values()));
    }
    deepEqual(drain(heap, Infinity), [...model.values()].sort((a, b) => a - b));
  }));
});
