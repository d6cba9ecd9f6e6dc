import { equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { repairGroupSize, repairRate } from "./repairs.ts";

Deno.test("groups are as long as two losses in one are rare", () => {
  const cases: [number | null, number | null, number, number][] = [
    [0.01, 200, 0, 10],
    [0.05, 200, 0, 10],
    [0.08, 200, 0, 6],
    [0.1, 200, 0, 5],
    // Nothing is covered where little is lost, or too much, or sending again is soon enough.
    [0, 200, 0, 0],
    [0.002, 200, 0, 0],
    [0.2, 200, 0, 0],
    [0.01, 140, 0, 0],
    [null, 200, 0, 0],
    [0.01, null, 0, 0],
    // What is covered stays so until it is clearly better.
    [0.002, 200, 10, 10],
    [0.0005, 200, 10, 0],
    [0.12, 200, 5, 4],
    [0.16, 200, 5, 0],
    [0.01, 140, 10, 10],
    [0.01, 120, 10, 0],
  ];
  for (const [loss, fastestMs, before, size] of cases) {
    equal(repairGroupSize(loss, fastestMs, before), size, `${loss} at ${fastestMs}, ${before}`);
  }
});

Deno.test("property: parities take a tenth where one in twenty is lost, and never all of a slow path", () => {
  const rate = fc.double({ min: 1, max: 1e6, noNaN: true });
  fc.assert(fc.property(rate, rate, (covered, carrier) => {
    ok(repairRate(10, covered, carrier) <= 0.111 * covered);
    ok(repairRate(4, covered, carrier) <= carrier / 4);
  }));
});
