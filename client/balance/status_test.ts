import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { summarize, type UplinkFigures } from "./status.ts";
import { formatStatus } from "./status_text.ts";
import { Traffic } from "./traffic.ts";

const figures = (name: string, receivedBytes: number, sentBytes: number): UplinkFigures => ({
  name,
  receivedBytes,
  sentBytes,
  receivedBytesPerSecond: receivedBytes / 10,
  sentBytesPerSecond: sentBytes / 10,
  families: {
    4: {
      state: "healthy",
      gateway: "192.0.2.1",
      problem: null,
      weight: 3,
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

const bytes = (receivedBytes: number) => ({ receivedBytes, sentBytes: 0 });

Deno.test("Traffic counts from its first sample, and on when a counter starts again", () => {
  const traffic = new Traffic();
  traffic.add(0, bytes(1_000));
  equal(traffic.totals.receivedBytes, 0);
  traffic.add(1_000, bytes(3_000));
  equal(traffic.rates().receivedBytesPerSecond, 2_000);
  traffic.add(2_000, null);
  traffic.add(3_000, bytes(500));
  equal(traffic.totals.receivedBytes, 2_500);
});

Deno.test("Traffic: rates are of the last seconds alone", () => {
  const traffic = new Traffic();
  traffic.add(0, bytes(0));
  traffic.add(1_000, bytes(1_000_000));
  for (let second = 2; second <= 30; second++) traffic.add(second * 1_000, bytes(1_000_000));
  equal(traffic.rates().receivedBytesPerSecond, 0);
});

Deno.test("Traffic is never negative, whatever the counters do", () => {
  const sample = fc.tuple(fc.nat(5_000), fc.option(fc.nat(1_000_000)));
  fc.assert(fc.property(fc.array(sample, { maxLength: 100 }), (samples) => {
    const traffic = new Traffic();
    let atMs = 0;
    for (const [stepMs, count] of samples) {
      const before = traffic.totals.receivedBytes;
      traffic.add(atMs += stepMs, count === null ? null : bytes(count));
      equal(traffic.totals.receivedBytes >= before, true);
      equal(traffic.rates().receivedBytesPerSecond >= 0, true);
    }
  }));
});
