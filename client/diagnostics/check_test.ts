import { deepEqual, equal } from "node:assert/strict";
import { checkLines, checksOf, failedBy, recommendations, summaryLines } from "./check.ts";

const { ok, warning, failed, leftOut } = checksOf("Links");
const CHECKS = [
  ok("eth0", "up"),
  warning("wlan0", "slow", "move nearer"),
  failed("wwan0", "has no carrier", "plug it in"),
  failed("usb0", "has no carrier", "plug it in"),
  leftOut("tun0", "not ours"),
];

Deno.test("what failed is to be mended first, and each thing once", () => {
  deepEqual(recommendations(CHECKS), ["plug it in", "move nearer"]);
  equal(summaryLines(CHECKS).at(-1), "1 ok, 1 warnings, 2 failed, 1 left out");
  equal(summaryLines([])[2], "  nothing: all is well");
});

Deno.test("a check that is not well is told with what to do", () => {
  deepEqual(checkLines(CHECKS[0]!), ["  ok        eth0: up"]);
  deepEqual(checkLines(CHECKS[2]!), [
    "  FAILED    wwan0: has no carrier",
    "            plug it in",
  ]);
});

Deno.test("what failed by an error is told once, and what to do apart from it", () => {
  const error = new Error("Cannot read a.pem: there is no such file; check the path");
  const check = failedBy("Certificate", "file", error);
  equal(check.text, "Cannot read a.pem: there is no such file");
  deepEqual(recommendations([check]), ["check the path"]);
  const mute = failedBy("Engine", "engine", new Error("no memory"));
  deepEqual(recommendations([mute]), ["mend engine: no memory"], "never that all is well");
});
