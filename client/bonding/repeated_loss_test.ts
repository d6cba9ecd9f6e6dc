import { deepEqual, equal } from "node:assert/strict";
import { RepeatedLoss } from "./repeated_loss.ts";

const every = (loss: RepeatedLoss, times: number, ms: number, startMs = 0) =>
  Array.from({ length: times }, (_, index) => loss.replacedAtOnce(startMs + index * ms));

Deno.test("RepeatedLoss tells once of sessions that are lost every 22 s", () => {
  const loss = new RepeatedLoss();
  deepEqual(every(loss, 5, 22_000), [false, false, true, false, false]);
  deepEqual(every(loss, 4, 22_000, 700_000), [false, false, true, false]);
});

Deno.test("RepeatedLoss is silent about losses now and then, and about a bad network", () => {
  equal(every(new RepeatedLoss(), 20, 31_000).includes(true), false);
  const loss = new RepeatedLoss();
  every(loss, 2, 11_000);
  loss.isNetwork();
  deepEqual(every(loss, 2, 11_000, 22_000), [false, false]);
});
