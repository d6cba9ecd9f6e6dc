/** Repair records over far links that lose packets, on virtual time: with and without them. */
import { ok } from "node:assert/strict";
import { farStream, farTransfer } from "../../testing/aggregation/cases.ts";

Deno.test("far links that lose 1 %: one CUBIC flow gets many times what it gets without repair", () => {
  const [without, repaired] = [false, true].map((repairs) => farTransfer("cubic", repairs));
  ok(without! < 3, `${without} Mbit/s`);
  ok(repaired! > 10, `${repaired} Mbit/s`);
});

Deno.test("far links that lose 1 %: a stream comes in time", () => {
  const [without, repaired] = [false, true].map((repairs) => farStream(repairs));
  ok(without!.late100 > 0.2, `${without!.late100}`);
  ok(repaired!.late100 < 0.04, `${repaired!.late100}`);
  ok(repaired!.lost < 0.002 && repaired!.reordered < 0.002, JSON.stringify(repaired));
});
