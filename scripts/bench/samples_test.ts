import { equal } from "node:assert/strict";
import { median, Samples } from "./samples.ts";

Deno.test("the median is the middle, or between the two in the middle", () => {
  equal(median([]), null);
  equal(median([3, 1, 20]), 3);
  equal(median([4, 1, 2, 10]), 3);
});

Deno.test("samples are kept apart by figure and subject", () => {
  const samples = new Samples();
  samples.add("tcp1_up", "fluxify", 1);
  samples.add("tcp1_up", "raw", 5);
  samples.add("tcp1_down", "fluxify", 7);
  samples.add("tcp1_up", "fluxify", 3);
  equal(samples.median("tcp1_up", "fluxify"), 2);
  equal(samples.median("tcp1_up", "raw"), 5);
  equal(samples.median("tcp1_down", "raw"), null);
});
