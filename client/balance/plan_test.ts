import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { weighHops, weightsByQuality } from "./nexthops.ts";
import { planFamily, type UplinkSnapshot } from "./plan.ts";

const hop = (device: string) => ({
  device,
  gateway: { address: "192.0.2.1", family: 4, onlink: false },
} as const);
const uplink = (name: string, slot: number, isHealthy = true, isThere = true): UplinkSnapshot => ({
  name,
  slot,
  isHealthy,
  use: "always",
  nextHop: isThere ? hop(name) : null,
});
const SPREAD = { best: null, last: new Set<string>() };
const shares = (weights: Record<string, number>, ...uplinks: UplinkSnapshot[]) => {
  const { shared } = planFamily(uplinks, new Map(Object.entries(weights)), SPREAD);
  return shared === "keep" ? shared : shared.map((one) => [one.nextHop.device, one.weight]);
};

Deno.test("planFamily() spreads over the healthy, and keeps a table for each that leads on", () => {
  const uplinks = [uplink("a", 1), uplink("b", 2, false), uplink("c", 3, true, false)];
  const plan = planFamily(uplinks, new Map(), SPREAD);
  deepEqual([...plan.own.keys()], [1, 2]);
  deepEqual(plan.shared, [{ nextHop: hop("a"), weight: 1 }]);
});

Deno.test("planFamily() weighs, and keeps what there is when nobody is healthy", () => {
  deepEqual(shares({ a: 3 }, uplink("a", 1), uplink("b", 2)), [["a", 3], ["b", 1]]);
  deepEqual(shares({ a: 10, b: 10 }, uplink("a", 1), uplink("b", 2)), [["a", 1], ["b", 1]]);
  equal(shares({}, uplink("a", 1, false), uplink("b", 2, false)), "keep");
});

Deno.test("planFamily() keeps to the last when nobody is healthy, wherever they lead", () => {
  const uplinks = [uplink("a", 1, false), uplink("b", 2, false), uplink("c", 3, false, false)];
  const lastWere = (...names: string[]) => {
    const { shared, isLast } = planFamily(uplinks, new Map(), { best: null, last: new Set(names) });
    equal(isLast, true);
    return shared;
  };
  deepEqual(lastWere("b", "c"), [{ nextHop: hop("b"), weight: 1 }]);
  equal(lastWere("c"), "keep");
  equal(planFamily([uplink("a", 1)], new Map(), SPREAD).isLast, false);
});

Deno.test("planFamily() sends everything over the best", () => {
  const uplinks = [uplink("a", 1), uplink("b", 2)];
  deepEqual(planFamily(uplinks, new Map(), { ...SPREAD, best: "b" }).shared, [{
    nextHop: hop("b"),
    weight: 1,
  }]);
});

Deno.test("weighHops() keeps the proportions", () => {
  const weights = fc.array(fc.integer({ min: 1, max: 256 }), { minLength: 1, maxLength: 8 });
  fc.assert(fc.property(weights, (numbers) => {
    const names = numbers.map((_, index) => `wan${index}`);
    const hops = weighHops(names.map(hop), new Map(names.map((name, i) => [name, numbers[i]!])));
    for (const [index, { weight }] of hops.entries()) {
      equal(weight * numbers[0]!, hops[0]!.weight * numbers[index]!);
      ok(Number.isInteger(weight) && weight >= 1 && weight <= 256);
    }
  }));
});

const quality = (name: string, score: number, probes = 20) => ({ name, score, probes });

Deno.test("weightsByQuality() takes all alike until there is something to say", () => {
  const weights = weightsByQuality(new Map(), [quality("a", 100, 4), quality("b", 20, 4)]);
  deepEqual([...weights], [["a", 10], ["b", 10]]);
});

Deno.test("weightsByQuality() follows the scores, but not their noise", () => {
  const equalOnes = new Map([["a", 10], ["b", 10]]);
  deepEqual(weightsByQuality(equalOnes, [quality("a", 97), quality("b", 88)]), equalOnes);
  const worse = weightsByQuality(equalOnes, [quality("a", 97), quality("b", 45)]);
  deepEqual([...worse], [["a", 10], ["b", 5]]);
  deepEqual([...weightsByQuality(worse, [quality("a", 97), quality("b", 0)])], [
    ["a", 10],
    ["b", 1],
  ]);
});

Deno.test("planFamily() leaves backups out while others work, and what is used up to the last", () => {
  const [own, backup, usedUp] = [
    uplink("a", 1),
    { ...uplink("b", 2), use: "backup" as const },
    { ...uplink("c", 3), use: "cap reached" as const },
  ];
  const ill = (one: UplinkSnapshot) => ({ ...one, isHealthy: false });
  deepEqual(shares({}, own, backup, usedUp), [["a", 1]]);
  deepEqual(shares({}, ill(own), backup, usedUp), [["b", 1]]);
  deepEqual(shares({}, ill(own), ill(backup), usedUp), [["c", 1]]);
  deepEqual(shares({}, backup, { ...own, use: "backup" as const }), [["b", 1], ["a", 1]]);
  deepEqual(planFamily([own, backup], new Map(), SPREAD).own.size, 2, "each has its own table");
});
