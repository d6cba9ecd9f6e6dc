import { equal, throws } from "node:assert/strict";
import { parsePingTimes } from "./ping.ts";

const line = (number: number, timeMs: number) =>
  `64 bytes from 10.8.0.1: icmp_seq=${number} ttl=64 time=${timeMs} ms`;

Deno.test("the median of the pings does not mind one slow one", () => {
  equal(parsePingTimes([line(1, 12), line(2, 0.3), line(3, 0.25)].join("\n")), 0.3);
});

Deno.test("pings that did not come back are an error", () => {
  throws(() => parsePingTimes("3 packets transmitted, 0 received"), /nothing came back/);
});
