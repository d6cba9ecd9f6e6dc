import { deepEqual, match, ok } from "node:assert/strict";
import { formatReport, makeReport } from "./report.ts";

const LINKS = [
  { name: "fiber", rateMbit: 50, rttMs: 20 },
  { name: "dsl", rateMbit: 20, rttMs: 40 },
];
const BONDED = { oneFlowMbit: 63.01, bondedMbit: 64.04 };
const CUT = { longestGapMs: 123.4, gapBeforeMs: 20, lossFree: true, megabytes: 51.6 };

Deno.test("the report compares the bond with the best link", () => {
  deepEqual(makeReport(LINKS, [47.94, 19.26], BONDED, CUT), {
    links: [
      { name: "fiber", rateMbit: 50, rttMs: 20, aloneMbit: 47.9 },
      { name: "dsl", rateMbit: 20, rttMs: 40, aloneMbit: 19.3 },
    ],
    oneFlowMbit: 63,
    bondedMbit: 64,
    gain: 1.31,
    longestGapMs: 123,
    lossFreeAfterCut: true,
  });
});

Deno.test("the table fits a terminal and says whether the download survived", () => {
  const report = makeReport(LINKS, [47.94, 19.26], BONDED, CUT);
  const table = formatReport(report, "fiber", CUT.megabytes);
  match(table, /fiber pulled out.*went on, longest gap 123 ms/);
  match(table, /all 52 MB arrived intact/);
  ok(table.split("\n").every((line) => line.length <= 80));
  match(formatReport({ ...report, lossFreeAfterCut: false }, "fiber", 5), /DID NOT SURVIVE/);
});
