import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { Rtt, RTT_MAX_MS } from "./rtt.ts";

function values(rtt: Rtt): (number | null)[] {
  return [rtt.lastMs, rtt.smoothedMs, rtt.minimumMs, rtt.variationMs, rtt.jitterMs];
}

Deno.test("nothing is known before the first round trip", () => {
  deepEqual(values(new Rtt()), [null, null, null, null, null]);
});

Deno.test("the averages are those of RFC 6298 and RFC 3550", () => {
  const rtt = new Rtt();
  rtt.add(80);
  deepEqual(values(rtt), [80, 80, 80, 40, null]);
  rtt.add(160); // variation 3/4 * 40 + 1/4 * 80, smoothed 7/8 * 80 + 1/8 * 160, jitter 80 / 16
  deepEqual(values(rtt), [160, 90, 80, 50, 5]);
  rtt.add(58); // variation 3/4 * 50 + 1/4 * 32, jitter 5 + (102 - 5) / 16
  deepEqual(values(rtt), [58, 86, 58, 45.5, 11.0625]);
});

Deno.test("what cannot be a round trip changes nothing", () => {
  const rtt = new Rtt();
  for (const roundTripMs of [-1, -0.001, NaN, Infinity, -Infinity, RTT_MAX_MS + 0.001]) {
    equal(rtt.add(roundTripMs), false);
  }
  deepEqual(values(rtt), [null, null, null, null, null]);
  equal(rtt.add(RTT_MAX_MS), true);
  equal(rtt.add(0), true);
  equal(rtt.minimumMs, 0);
});

Deno.test("reset() forgets everything", () => {
  const rtt = new Rtt();
  rtt.add(10);
  rtt.add(30);
  rtt.reset();
  deepEqual(values(rtt), [null, null, null, null, null]);
  rtt.add(50);
  deepEqual(values(rtt), [50, 50, 50, 25, null]);
});

Deno.test("property: the averages stay within what was measured", () => {
  const measured = fc.array(fc.double({ min: 0, max: RTT_MAX_MS, noNaN: true }), { minLength: 1 });
  fc.assert(fc.property(measured, (measured) => {
    const rtt = new Rtt();
    for (const roundTripMs of measured) equal(rtt.add(roundTripMs), true);
    const least = Math.min(...measured);
    const most = Math.max(...measured);
    equal(rtt.lastMs, measured.at(-1));
    equal(rtt.minimumMs, least);
    ok(rtt.smoothedMs! >= least - 1e-6 && rtt.smoothedMs! <= most + 1e-6);
    ok(
      rtt.variationMs! >= 0 && rtt.variationMs! <= Math.max(measured[0]! / 2, most - least) + 1e-6,
    );
    if (measured.length === 1) equal(rtt.jitterMs, null);
    else ok(rtt.jitterMs! >= 0 && rtt.jitterMs! <= most - least + 1e-6);
  }));
});

Deno.test("property: a steady round trip is what the averages come to", () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 5000 })), fc.nat({ max: 5000 }), (before, steady) => {
      const rtt = new Rtt();
      for (const roundTripMs of before) rtt.add(roundTripMs);
      for (let round = 0; round < 400; round++) rtt.add(steady);
      ok(Math.abs(rtt.smoothedMs! - steady) < 1e-3);
      ok(rtt.variationMs! < 1e-3 && rtt.jitterMs! < 1e-3);
    }),
  );
});
