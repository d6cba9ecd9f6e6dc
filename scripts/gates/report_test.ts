import { equal } from "node:assert/strict";
import { formatHead, formatRow, median, TUNNEL_SHARE } from "./report.ts";

Deno.test("a row has the shares of what the links give without and through the tunnel", () => {
  const row = {
    what: "A, 1 cubic down",
    sumMbit: 100,
    bestMbit: 70,
    tunnel: [{
      scheduler: "aggregate",
      mbit: 90 * TUNNEL_SHARE,
      pingMedianMs: 22.4,
      ping95Ms: 30.6,
    }],
    mptcpMbit: 95,
  };
  equal(
    formatRow(row),
    `| A, 1 cubic down | ${(90 * TUNNEL_SHARE).toFixed(1)} (90 %) | 22 / 31 | 95.0 (95 %) | 70.0 |`,
  );
  const slow = [{ ...row.tunnel[0]!, mbit: 67 * TUNNEL_SHARE }];
  equal(formatRow(row).includes("BELOW"), false);
  equal(formatRow({ ...row, tunnel: slow }).includes("BELOW the best link"), true);
  equal(formatRow({ ...row, mptcpMbit: null }).includes("not measured"), true);
  equal(
    formatHead(["aggregate"]).split("\n")[0]!.split("|").length,
    formatRow(row).split("|").length,
  );
});

Deno.test("the median is the one in the middle, in any order", () => {
  equal(median([3, 1, 2]), 2);
});
