import { deepEqual, equal, throws } from "node:assert/strict";
import { DROP_REASONS, DropCounters } from "./drop_reason.ts";

Deno.test("DropCounters counts each reason by itself", () => {
  const drops = new DropCounters();
  for (const [index, reason] of DROP_REASONS.entries()) drops.count(reason, index);
  for (const [index, reason] of DROP_REASONS.entries()) equal(drops.get(reason), index);
  equal(drops.total, DROP_REASONS.length * (DROP_REASONS.length - 1) / 2);
  equal(drops.entries().length, DROP_REASONS.length - 1);
});

Deno.test("DropCounters in shared memory are seen by whoever shares it", () => {
  const memory = new SharedArrayBuffer(DropCounters.BYTES);
  const writer = new DropCounters(new Float64Array(memory));
  const reader = new DropCounters(new Float64Array(memory));
  writer.count("replayed");
  writer.count("replayed", 2);
  deepEqual(reader.entries(), [["replayed", 3]]);
});

Deno.test("DropCounters refuses memory of another length", () => {
  throws(() => new DropCounters(new Float64Array(3)), /Cannot count drops in 3 numbers/);
});
