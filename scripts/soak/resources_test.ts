import { deepEqual, ok, throws } from "node:assert/strict";
import { growth, type Resources, resourcesOf } from "./resources.ts";

const ALLOWED: Resources = { mib: 10, descriptors: 2, threads: 0 };
const sample = (mib: number, descriptors = 20, threads = 8) => ({ mib, descriptors, threads });

Deno.test("resourcesOf() reads this process, and refuses one that is not there", () => {
  const { mib, descriptors, threads } = resourcesOf(Deno.pid);
  ok(mib > 1 && descriptors > 2 && threads > 0);
  throws(() => resourcesOf(2 ** 30), Deno.errors.NotFound);
});

Deno.test("growth() compares the floors of both halves, not the peaks", () => {
  const breathing = [100, 180, 105, 190, 109, 170].map((mib) => sample(mib));
  deepEqual(growth(breathing, ALLOWED), []);
  const leaking = [100, 110, 120, 130, 140, 150].map((mib) => sample(mib));
  deepEqual(growth(leaking, ALLOWED), ["mib grew from 100 to 130"]);
});

Deno.test("growth() names descriptors and threads", () => {
  const samples = [sample(100), sample(100), sample(100, 23, 9), sample(100, 23, 9)];
  deepEqual(growth(samples, ALLOWED), [
    "descriptors grew from 20 to 23",
    "threads grew from 8 to 9",
  ]);
  deepEqual(growth(samples.slice(0, 3), ALLOWED), [], "too few to tell");
});
