/**
 * One flow over all links on virtual time: the product's scheduler against models of TCP senders. A
 * short form of `deno task aggregation`; every run is repeatable. Figures of all are in
 * docs/aggregation.md.
 */
import { ok } from "node:assert/strict";
import {
  asymmetric,
  blackout,
  bothWays,
  bufferbloat,
  carrierLoss,
  type CaseName,
  changingRate,
  pacedUdp,
  transfers,
} from "../../testing/aggregation/cases.ts";

const FASTEST_PING: Record<string, number> = { A: 20, C: 20, E: 15, S: 20, "A with loss": 20 };
/** One loss more or less at the wrong moment says nothing: the median of so many runs does. */
const SEEDS = [1, 2, 3, 4, 5];

/** Cuts at different moments of a CUBIC period. */
const CUT_SEEDS = [1, 4, 8, 11];

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function median<T>(runs: readonly T[], by: (run: T) => number): number {
  return runs.map(by).sort((one, other) => one - other)[runs.length >> 1]!;
}

for (
  const [name, seeds, least] of [["A", [1], 0.92], ["C", SEEDS, 0.87], ["E", [1], 0.92], [
    "S",
    [1],
    0.95,
  ], ["A with loss", SEEDS, 0.9]] as [CaseName, number[], number][]
) {
  Deno.test(`${name}: one CUBIC flow gets the sum of the links, and pings keep the fastest`, () => {
    const runs = seeds.map((seed) => transfers(name, "cubic", 1, seed));
    const share = median(runs, (run) => run.share);
    const ping = median(runs, (run) => run.pingMedian);
    ok(share >= least, percent(share));
    ok(ping <= FASTEST_PING[name]! + 10, `${ping} ms`);
    ok(runs.every(({ pingsLost }) => pingsLost === 0), "pings were lost");
  });
}

Deno.test("D: losses and jitter take less than half from one CUBIC flow", () => {
  const goodput = median(
    SEEDS.map((seed) => transfers("D", "cubic", 1, seed)),
    (run) => run.goodput,
  );
  ok(goodput >= 80, `${goodput} Mbit/s`);
});

Deno.test("8 flows share the sum of the links", () => {
  for (const name of ["A", "E"] as const) {
    const { share } = transfers(name, "cubic", 8);
    ok(share >= 0.92, `${name}: ${percent(share)}`);
  }
});

for (
  const [name, seeds, least] of [["A", [1], 0.85], ["C", SEEDS, 0.77], ["E", SEEDS, 0.7]] as const
) {
  Deno.test(`${name}: one BBR flow gets most of the sum, and pings keep the fastest`, () => {
    const runs = seeds.map((seed) => transfers(name, "bbr", 1, seed));
    const share = median(runs, (run) => run.share);
    const ping = median(runs, (run) => run.pingMedian);
    ok(share >= least, percent(share));
    ok(ping <= FASTEST_PING[name]! + 10, `${ping} ms`);
  });
}

Deno.test("8 BBR flows share most of the sum", () => {
  for (const name of ["A", "C", "E"] as const) {
    const { share } = transfers(name, "bbr", 8);
    ok(share >= 0.88, `${name}: ${percent(share)}`);
  }
});

Deno.test("paced UDP at 90 % of the sum is neither lost nor out of order", () => {
  const { lost, reordered } = pacedUdp(0.9);
  ok(lost < 0.005, percent(lost));
  ok(reordered < 0.01, percent(reordered));
});

for (const flows of [1, 4]) {
  Deno.test(`${flows} flows: a cut link is found within 150 ms, no flow waits for 250, and it comes back`, () => {
    for (const { foundMs, gapMs, after } of CUT_SEEDS.map((seed) => blackout(flows, seed))) {
      ok(foundMs <= 150, `${foundMs} ms`);
      ok(gapMs <= 250, `${gapMs} ms`);
      ok(after > 30, `${after} Mbit/s when the link is back`);
    }
  });
}

Deno.test("a link whose carrier is lost costs a flow one round trip of the other", () => {
  for (const flows of [1, 4]) {
    const gaps = CUT_SEEDS.map((seed) => carrierLoss(flows, seed));
    ok(Math.max(...gaps) <= (flows === 1 ? 120 : 150), `${flows} flows: ${gaps} ms`);
  }
});

Deno.test("both directions at once get the sum of the links", () => {
  const { down, up } = bothWays();
  ok(down >= 0.85 && up >= 0.85, `${percent(down)} and ${percent(up)}`);
});

Deno.test("a rate that changes tenfold keeps pings short", () => {
  const { share, ping95 } = changingRate();
  ok(share >= 0.8, percent(share));
  ok(ping95 < 100, `${ping95} ms`);
});

Deno.test("a link with a queue of 2 s does no harm", () => {
  const { share, pingMedian } = bufferbloat();
  ok(share >= 0.9, percent(share));
  ok(pingMedian <= 35, `${pingMedian} ms`);
});

Deno.test("a link of 100/1 Mbit/s helps beside one of 20/20", () => {
  const { down, up } = asymmetric();
  ok(down >= 0.85 && up >= 0.85, `${percent(down)} and ${percent(up)}`);
});
