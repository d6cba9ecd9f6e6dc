import { equal } from "node:assert/strict";
import { BYTES_MAX, InteractiveAllowance } from "./interactive_allowance.ts";

Deno.test("a flow goes first for 32 KiB a second, and another is not its concern", () => {
  const allowance = new InteractiveAllowance();
  equal(allowance.take(1, BYTES_MAX, 0), true);
  equal(allowance.take(1, 1, 999), false);
  equal(allowance.take(2, 1, 999), true);
  equal(allowance.take(1, 1, 1000), true);
});
