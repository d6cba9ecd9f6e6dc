import { equal, ok } from "node:assert/strict";
import { BATCH_MS } from "../../path/pacer.ts";
import { BatchWidth } from "./batch_width.ts";

Deno.test("batches are wider while nearly all packets wait, and not while some find no queue", () => {
  const width = new BatchWidth();
  equal(width.ms, BATCH_MS);
  for (let packet = 0; packet < 1000; packet++) width.placed(20);
  ok(width.ms > BATCH_MS);
  for (let packet = 0; packet < 1000; packet++) width.placed(packet % 4 === 0 ? 0 : 20);
  equal(width.ms, BATCH_MS);
});
