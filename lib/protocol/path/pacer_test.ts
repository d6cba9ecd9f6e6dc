import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { BATCH_MS, BURST_MS, Pacer } from "./pacer.ts";

Deno.test("a pacer spaces records by their length", () => {
  const pacer = new Pacer();
  pacer.departed(1500, 100, 1000 + BURST_MS);
  equal(pacer.nextAt, 1015);
  equal(pacer.mayDepart(1014), false);
  equal(pacer.mayDepart(1014.75), true);
  equal(pacer.debt(1005), 10);
});

Deno.test("records of half a millisecond leave together, and the next ones as much later", () => {
  const pacer = new Pacer();
  pacer.departed(4000 * BURST_MS, 4000, 1000);
  const batches: number[] = [];
  for (let now = 1000; now < 1006; now = pacer.nextAt) {
    let records = 0;
    for (; pacer.mayDepart(now); records++) pacer.departed(1000, 4000, now);
    batches.push(records);
  }
  deepEqual(batches, new Array(8).fill(3));
});

Deno.test("a batch is as long as the caller wants it", () => {
  const pacer = new Pacer();
  pacer.departed(4000 * BURST_MS, 4000, 1000);
  let records = 0;
  for (; pacer.mayDepart(1000, 1); records++) pacer.departed(1000, 4000, 1000);
  equal(records, 5);
});

Deno.test("property: no span carries more than the rate, a burst, a batch and one record", () => {
  const steps = fc.array(fc.tuple(fc.nat(30), fc.integer({ min: 40, max: 1500 })), {
    minLength: 1,
    maxLength: 200,
  });
  fc.assert(fc.property(steps, fc.integer({ min: 10, max: 10_000 }), (each, rate) => {
    const pacer = new Pacer();
    let now = 0;
    let sent = 0;
    let largest = 0;
    for (const [wait, bytes] of each) {
      now += wait / 10;
      if (!pacer.mayDepart(now)) continue;
      pacer.departed(bytes, rate, now);
      sent += bytes;
      largest = Math.max(largest, bytes);
      ok(sent <= rate * (now + BURST_MS + BATCH_MS) + largest + 1e-6, `${sent} bytes in ${now} ms`);
    }
  }));
});
