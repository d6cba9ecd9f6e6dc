import { equal } from "node:assert/strict";
import { gainOverBest } from "./gain.ts";

Deno.test("gainOverBest() is of the busier direction, and not known while little is carried", () => {
  const rates = (received: number, sent: number) => ({
    ...{ receivedBytesPerSecond: received, sentBytesPerSecond: sent },
  });
  equal(gainOverBest([rates(2_000_000, 0), rates(1_000_000, 500_000)]), 1.5);
  // Down over the one and up over the other: neither direction has more than one link.
  equal(gainOverBest([rates(3_000_000, 0), rates(0, 2_000_000)]), 1);
  equal(gainOverBest([rates(3_000_000, 0), rates(0, 0)]), 1);
  equal(gainOverBest([rates(100, 100), rates(100, 0)]), null);
  equal(gainOverBest([]), null);
});
