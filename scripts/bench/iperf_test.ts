import { deepEqual, equal, throws } from "node:assert/strict";
import { parseTcp, parseUdp } from "./iperf.ts";

const sum = (bytes: number, seconds: number, packets?: number) => (
  { bytes, seconds, bits_per_second: bytes * 8 / seconds, packets }
);
const report = (sent: unknown, received: unknown) =>
  JSON.stringify({ end: { sum_sent: sent, sum_received: received } });

Deno.test("the TCP rate is what arrived", () => {
  const text = report(sum(3_000_000, 2), sum(2_500_000, 2));
  deepEqual(parseTcp(text), { bytes: 2_500_000, megabits: 10 });
});

Deno.test("UDP loss counts what was sent and did not arrive", () => {
  const result = parseUdp(report(sum(1372 * 4000, 2, 4000), sum(1372 * 3960, 2.5, 3990)));
  equal(result.sentPerSecond, 2000);
  equal(result.receivedPerSecond, 1980);
  equal(result.loss.toFixed(6), "0.010000");
});

Deno.test("a report without a result is refused", () => {
  for (
    const text of ["{}", "null", `{"error": "unable to connect"}`, report(sum(1, 1), undefined)]
  ) {
    throws(() => parseTcp(text), /holds no result/);
    throws(() => parseUdp(text), /holds no result/);
  }
  throws(() => parseUdp(report(sum(1, 1), sum(1, 1))), /holds no result/);
  throws(() => parseUdp(report(sum(0, 1, 0), sum(0, 1, 0))), /holds no result/);
  throws(() => parseTcp("iperf3: error"), SyntaxError);
});
