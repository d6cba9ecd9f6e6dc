import { equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { BURST_MS, Pacer } from "./pacer.ts";

Deno.test("a pacer spaces records by their length", () => {
  const pacer = new Pacer();
  pacer.departed(1500, 100, 1000 + BURST_MS);
  equal(pacer.nextAt, 1015);
  equal(pacer.mayDepart(1014), false);
  equal(pacer.mayDepart(1015), true);
  equal(pacer.debt(1005), 10);
});

Deno.test("property: no span carries more than the rate, a burst and one record", () => {
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
      ok(sent <= rate * (now + BURST_MS) + largest + 1e-6, `${sent} bytes in ${now} ms`);
    }
  }));
});
