import { deepEqual, equal } from "node:assert/strict";
import { pathReport } from "../../lib/status/test_session_report.ts";
import { linkCheck, netcheckLines } from "./netcheck.ts";

Deno.test("a link that answers is told with what the server sees and what it carries", () => {
  const path = pathReport(0, "wan1", {
    ...{ seenAs: "198.51.100.7:40000", rttMinMs: 19.5, mtu: 1322, deliveryRate: 1_250_000 },
  });
  const found = linkCheck("wan1", ["192.168.1.2"], path, null);
  deepEqual(found, {
    ...{ name: "wan1", isReachable: true, rttMs: 19.5, mtuBytes: 1322 },
    ...{ externalAddress: "198.51.100.7:40000", isBehindNat: true, bitsPerSecond: 10_000_000 },
    natKind: null,
    problem: null,
  });
  equal(linkCheck("wan1", ["198.51.100.7"], path, null).isBehindNat, false);
  const six = pathReport(0, "wan1", { seenAs: "[2001:db8::7]:40000" });
  equal(linkCheck("wan1", ["2001:db8:0::7"], six, null).isBehindNat, false);
  const natKind = "endpoint-independent mapping, port preservation";
  const lines = netcheckLines([found, { ...found, natKind }]);
  deepEqual(lines.map((line) => line.trimEnd()), [
    "LINK  UDP  RTT      MTU   RATE         SEEN AS",
    "wan1  yes  19.5 ms  1322  10.0 Mbit/s  198.51.100.7:40000 (NAT)",
    `wan1  yes  19.5 ms  1322  10.0 Mbit/s  198.51.100.7:40000 (NAT)  ${natKind}`,
  ]);
});

Deno.test("one that does not answer has its reason, and nothing that is not known", () => {
  const silent = pathReport(0, "wan1", { state: "down", rttMs: null, seenAs: "192.0.2.1:1" });
  const nothing = {
    ...{ name: "wan1", isReachable: false, rttMs: null, mtuBytes: null },
    ...{ externalAddress: null, isBehindNat: null, natKind: null },
  };
  deepEqual(linkCheck("wan1", [], silent, null), {
    ...nothing,
    ...{ bitsPerSecond: null, problem: "no answer over UDP" },
  });
  deepEqual(linkCheck("wan1", [], null, "has no carrier"), {
    ...nothing,
    ...{ bitsPerSecond: null, problem: "has no carrier" },
  });
  deepEqual(netcheckLines([]), ["no link can be used"]);
});
