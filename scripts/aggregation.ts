/**
 * `deno task aggregation`: one flow over all links on virtual time, all cases of docs/aggregation.md
 * with three seeds each, as lines of a table. The median of the seeds counts.
 *
 *     deno task aggregation           all cases
 *     deno task aggregation -- floor  each beside the best single link, 1 to 16 flows: about three minutes
 */
import {
  asymmetric,
  bestSingle,
  blackout,
  bothWays,
  bufferbloat,
  type CaseName,
  changingRate,
  farStream,
  farTransfer,
  LINKS,
  type Outcome,
  pacedUdp,
  radioTrace,
  transfers,
} from "../testing/aggregation/cases.ts";
import type { ControlName } from "../testing/aggregation/lab.ts";

const SEEDS = [1, 2, 3];

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1]!;
}

/** The median of each figure over the seeds. */
function medians<K extends string>(run: (seed: number) => Record<K, number>): Record<K, number> {
  const runs = SEEDS.map(run);
  const keys = Object.keys(runs[0]!) as K[];
  return Object.fromEntries(
    keys.map((key) => [key, median(runs.map((each) => each[key]))]),
  ) as Record<K, number>;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function outcome(each: Outcome): string {
  return `${each.goodput.toFixed(1)} | ${percent(each.share)} | ${each.pingMedian.toFixed(0)} / ` +
    `${each.ping95.toFixed(0)} | ${each.pingsLost}`;
}

if (Deno.args.includes("floor")) {
  printFloor();
  Deno.exit();
}

/** What each case and number of flows gets of the best single link, one seed; the least of all last. */
function printFloor(): void {
  let least = Infinity;
  for (const name of Object.keys(LINKS) as CaseName[]) {
    for (const control of ["cubic", "bbr"] as ControlName[]) {
      const gains = [1, 2, 4, 8, 16].map((count) =>
        transfers(name, control, count).goodput / bestSingle(name, control, count)
      );
      least = Math.min(least, ...gains);
      console.log(
        `${name}, 1 to 16 ${control}: ${gains.map((gain) => gain.toFixed(2)).join(", ")}`,
      );
    }
  }
  console.log(`at least ${least.toFixed(2)} of the best single link (0.97 is wanted)`);
}

console.log("| case | flows | Mbit/s | of the sum | ping median / 95 %, ms | lost | best single |");
console.log("| --- | --- | --- | --- | --- | --- | --- |");
for (const name of Object.keys(LINKS) as CaseName[]) {
  for (const control of ["cubic", "bbr"] as ControlName[]) {
    for (const count of name === "A" || name === "C" || name === "E" ? [1, 4, 8, 16] : [1]) {
      const result = medians((seed) => ({ ...transfers(name, control, count, seed) })) as Outcome;
      const best = median(SEEDS.map((seed) => bestSingle(name, control, count, seed)));
      console.log(
        `| ${name} | ${count} ${control} | ${outcome(result)} | ${best.toFixed(1)} |`,
      );
    }
  }
}
for (const name of ["A", "C", "E"] as const) {
  const known = medians((seed) => ({ ...transfers(name, "cubic", 1, seed, true) })) as Outcome;
  console.log(`| ${name}, rates known | 1 cubic | ${outcome(known)} | |`);
}
const changing = medians((seed) => ({ ...changingRate(seed) })) as Outcome;
console.log(`| 50 -> 5 -> 50, beside 20 | 1 cubic | ${outcome(changing)} | |`);
const radio = medians((seed) => ({ ...radioTrace(seed) })) as Outcome;
console.log(`| 1 to 60 at random, beside 20 | 1 cubic | ${outcome(radio)} | |`);
const bloat = medians((seed) => ({ ...bufferbloat(seed) })) as Outcome;
console.log(`| 10 with a queue of 2 s, beside 20 | 1 cubic | ${outcome(bloat)} | |`);
const both = medians(bothWays);
console.log(`\nBoth directions of A: ${percent(both.down)} down, ${percent(both.up)} up`);
const asymmetrical = medians(asymmetric);
console.log(
  `100/1 beside 20/20, both: ${percent(asymmetrical.down)} down, ${percent(asymmetrical.up)} up`,
);
const udp = medians((seed) => pacedUdp(0.9, seed));
console.log(`UDP at 90 %: ${percent(udp.lost)} lost, ${percent(udp.reordered)} out of order`);
for (const count of [1, 4]) {
  const cut = medians((seed) => ({ ...blackout(count, seed) }));
  console.log(
    `Fast link of A cut, ${count} flows: found in ${cut.foundMs} ms, longest gap ` +
      `${cut.gapMs.toFixed(0)} ms, ${cut.after.toFixed(1)} Mbit/s from 3 s after it is back`,
  );
}
for (const repairs of [false, true]) {
  const told = `30@200 + 20@250 with 1 % loss, ${repairs ? "repaired" : "not repaired"}`;
  for (const control of ["cubic", "bbr"] as const) {
    const goodput = median(SEEDS.map((seed) => farTransfer(control, repairs, seed)));
    console.log(`${told}, 1 ${control}: ${goodput.toFixed(1)} Mbit/s`);
  }
  const { lost, late50, late100 } = medians((seed) => farStream(repairs, seed));
  console.log(
    `${told}, 300 packets a second: ${percent(lost)} lost, ${percent(late50)} and ` +
      `${percent(late100)} later than 50 and 100 ms`,
  );
}
