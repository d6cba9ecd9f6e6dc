import { equal } from "node:assert/strict";
import { threadsFor } from "./threads_option.ts";

Deno.test("auto is one thread for two cores, at least one and at most eight", () => {
  const expected = [[1, 1], [2, 1], [3, 1], [4, 2], [8, 4], [16, 8], [32, 8]] as const;
  for (const [cores, threads] of expected) equal(threadsFor("auto", cores), threads);
  for (const cores of [1, 64]) equal(threadsFor(3, cores), 3);
});
