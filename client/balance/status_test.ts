import { deepEqual, equal } from "node:assert/strict";
import { summarize, type UplinkFigures } from "./status.ts";
import { formatStatus } from "./status_text.ts";

const figures = (name: string, receivedBytes: number, sentBytes: number): UplinkFigures => ({
  name,
  receivedBytes,
  sentBytes,
  receivedBytesPerSecond: receivedBytes / 10,
  sentBytesPerSecond: sentBytes / 10,
  lastMinute: [],
  volume: null,
  families: {
    4: {
      state: "healthy",
      gateway: "192.0.2.1",
      problem: null,
      weight: 3,
      idleFor: null,
      rttMs: 12.34,
      jitterMs: null,
      loss: 0.05,
      score: 90,
      probes: 20,
    },
    6: null,
  },
});

Deno.test("summarize() adds up, and names the largest share", () => {
  const status = summarize("spread", [figures("wan1", 700, 50), figures("wan2", 200, 50)]);
  deepEqual(status.uplinks.map(({ share }) => share), [0.75, 0.25]);
  deepEqual(status.largest, { name: "wan1", share: 0.75 });
  deepEqual(status.uplinks.map(({ families }) => families[4]?.connectionShare), [0.5, 0.5]);
  equal(status.uplinks[0]?.families[6], null);
  equal(status.receivedBytes, 900);
  equal(status.sentBytes, 100);
  equal(status.receivedBytesPerSecond, 90);
  equal(status.sentBytesPerSecond, 10);
  equal(summarize("spread", [figures("wan1", 0, 0)]).largest, null);
});

Deno.test("formatStatus() has a line for each uplink and one for all", () => {
  deepEqual(
    formatStatus(
      summarize("spread", [figures("wan1", 7_500_000, 0), figures("wan2", 2_500_000, 0)]),
    ),
    [
      "wan1: 75 % of the bytes, 750.0 kB/s down, 0 B/s up, 7.5 MB received, 0 B sent; " +
      "IPv4 healthy, weight 3 (50 % of new connections), RTT 12.3 ms, jitter unknown, loss 5 %, score 90",
      "wan2: 25 % of the bytes, 250.0 kB/s down, 0 B/s up, 2.5 MB received, 0 B sent; " +
      "IPv4 healthy, weight 3 (50 % of new connections), RTT 12.3 ms, jitter unknown, loss 5 %, score 90",
      "all uplinks: 1.0 MB/s down, 0 B/s up; the largest share is 75 % on wan1",
    ],
  );
  equal(
    formatStatus(summarize("spread", [figures("wan1", 0, 0)])).at(-1),
    "all uplinks: 0 B/s down, 0 B/s up; nothing carried so far",
  );
});
