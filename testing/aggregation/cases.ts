/** The runs of docs/aggregation.md: links, traffic, and what is measured of them. */
import { type ControlName, Lab, type LabLink, payloadOf } from "./lab.ts";
import { RADIO_STEP_MS, radioRates } from "./radio_rates.ts";

export const LINKS = {
  A: [{ rate: 50, rtt: 20 }, { rate: 20, rtt: 80 }],
  C: [{ rate: 100, rtt: 20, jitter: 1 }, { rate: 50, rtt: 100, jitter: 10 }],
  D: [
    { rate: 100, rtt: 40, loss: 0.005, jitter: 5 },
    { rate: 30, rtt: 70, loss: 0.002, jitter: 10 },
  ],
  E: [{ rate: 40, rtt: 15 }, { rate: 30, rtt: 45 }, { rate: 20, rtt: 120 }],
  S: [{ rate: 20, rtt: 20 }, { rate: 20, rtt: 20 }],
  "A with loss": [{ rate: 50, rtt: 20 }, { rate: 20, rtt: 80, loss: 0.01 }],
} satisfies Record<string, LabLink[]>;

export type CaseName = keyof typeof LINKS;

/** With each seed, transfers begin so much later, ms: where nothing is chance, that is. */
const START_MS = 500;
const START_STEP_MS = 13;
/** 300 packets a second. */
const STREAM_MBIT = 300 * 1300 * 8 / 1e6;
/** When transfers are looked at, ms: the first seconds are left out. */
const FROM = 4000;
const TO = 14_000;
/** How long a link is cut, ms, and how much later with each seed. */
const CUT_MS = 3000;
const CUT_STEP_MS = 613;

export interface Outcome {
  /** Mbit/s of all transfers together. */
  readonly goodput: number;
  /** Of what the links carry for TCP in the tunnel. */
  readonly share: number;
  /** ms. */
  readonly pingMedian: number;
  readonly ping95: number;
  readonly pingsLost: number;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(share * (sorted.length - 1))] ?? Infinity;
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function outcomeOf(lab: Lab, rates: readonly number[], offered: number): Outcome {
  const goodput = sumOf(rates);
  return {
    goodput,
    share: goodput / payloadOf(offered),
    pingMedian: quantile(lab.pings, 0.5),
    ping95: quantile(lab.pings, 0.95),
    pingsLost: lab.pingsSent - lab.pings.length,
  };
}

/** Transfers of one kind over the links of a case, with pings beside. */
export function transfers(
  name: CaseName,
  control: ControlName,
  count: number,
  seed = 1,
  isKnown = false,
): Outcome {
  const links: LabLink[] = LINKS[name];
  const lab = new Lab({
    links: isKnown ? links.map((link) => ({ ...link, known: link.rate })) : links,
    seed,
  });
  const startAt = START_MS + (seed - 1) * START_STEP_MS;
  for (let each = 0; each < count; each++) lab.addFlow(control, "down", startAt);
  lab.ping(FROM, TO - 500);
  const rates = lab.measure(FROM, TO);
  return outcomeOf(lab, rates, sumOf(links.map(({ rate }) => rate)));
}

/** The best that one link of the case alone gives, Mbit/s. */
export function bestSingle(name: CaseName, control: ControlName, count = 1, seed = 1): number {
  const links: LabLink[] = LINKS[name];
  return Math.max(...links.map((link) => {
    const lab = new Lab({ links: [link], seed });
    for (let each = 0; each < count; each++) lab.addFlow(control);
    return sumOf(lab.measure(FROM, TO));
  }));
}

/** Paced UDP at `share` of the sum of A. Shares that were lost and out of order, after 4 s. */
export function pacedUdp(share: number, seed = 1): { lost: number; reordered: number } {
  const lab = new Lab({ links: LINKS.A, seed });
  const mbit = share * 70 * 1300 / 1386;
  lab.udp(mbit, 500, 4000);
  const count = lab.udp(mbit, 4000, 14_000);
  lab.events.run(15_000);
  return { lost: 1 - count.received / count.sent, reordered: count.reordered / count.sent };
}

interface Blackout {
  /** When the scheduler noticed, and the longest time without delivery of any flow; ms. */
  readonly foundMs: number;
  readonly gapMs: number;
  /** Mbit/s from 3 s after the link came back. */
  readonly after: number;
}

/** Both directions of the fast link of A carry nothing for 3 s from 8 s on; a seed later each. */
export function blackout(count: number, seed = 1): Blackout {
  const lab = new Lab({ links: LINKS.A, seed });
  const cutAt = 8000 + (seed - 1) * CUT_STEP_MS;
  for (let each = 0; each < count; each++) lab.addFlow("cubic");
  lab.events.run(cutAt);
  lab.down[0]!.isCut = lab.up[0]!.isCut = true;
  for (const flow of lab.flows) flow.gapsFrom = cutAt;
  const [lane] = lab.server.aggregate.lanes;
  let found = cutAt;
  while (lane!.state === "up" && found < cutAt + CUT_MS) lab.events.run(found += 5);
  lab.events.run(cutAt + CUT_MS);
  const gapMs = Math.max(...lab.flows.map(({ longestGapMs }) => longestGapMs));
  lab.down[0]!.isCut = lab.up[0]!.isCut = false;
  return { foundMs: found - cutAt, gapMs, after: sumOf(lab.measure(cutAt + 6000, cutAt + 10_000)) };
}

/** The fast link of A loses its carrier, and the client knows. The longest gap of any flow, ms. */
export function carrierLoss(count: number, seed = 1): number {
  const lab = new Lab({ links: LINKS.A, seed });
  const lostAt = 8000 + (seed - 1) * CUT_STEP_MS;
  for (let each = 0; each < count; each++) lab.addFlow("cubic");
  lab.events.run(lostAt);
  lab.down[0]!.isCut = lab.up[0]!.isCut = true;
  for (const flow of lab.flows) flow.gapsFrom = lostAt;
  lab.client.linkFailed(0, lostAt);
  lab.events.run(lostAt + CUT_MS);
  return Math.max(...lab.flows.map(({ longestGapMs }) => longestGapMs));
}

/** One transfer each way over A. Shares down and up. */
export function bothWays(seed = 1): { down: number; up: number } {
  const lab = new Lab({ links: LINKS.A, seed });
  lab.addFlow("cubic", "down", START_MS + (seed - 1) * START_STEP_MS);
  lab.addFlow("cubic", "up");
  const [down, up] = lab.measure(FROM, TO);
  return { down: down! / payloadOf(70), up: up! / payloadOf(70) };
}

/** A link of 50 Mbit/s falls to 5 and comes back, every 5 s, beside one of 20 Mbit/s. */
export function changingRate(seed = 1): Outcome {
  const lab = new Lab({ links: [{ rate: 50, rtt: 20 }, { rate: 20, rtt: 40 }], seed });
  lab.addFlow("cubic");
  for (let at = 5000; at < 25_000; at += 5000) {
    const rate = at % 10_000 === 5000 ? 5 : 50;
    lab.events.at(at, () => lab.down[0]!.rate = rate);
  }
  lab.ping(5000, 24_500);
  return outcomeOf(lab, lab.measure(5000, 25_000), (50 + 5) / 2 + 20);
}

/** A link whose rate walks between 1 and 60 Mbit/s in steps of 100 ms, beside one of 20 Mbit/s. */
export function radioTrace(seed = 1): Outcome {
  const lab = new Lab({ links: [{ rate: 20, rtt: 30 }, { rate: 30, rtt: 50, queue: 300 }], seed });
  lab.addFlow("cubic");
  const rates = radioRates(seed);
  let offered = 0;
  for (let at = RADIO_STEP_MS; at < 24_000; at += RADIO_STEP_MS) {
    const rate = rates.next().value;
    if (at >= FROM) offered += rate / 200;
    lab.events.at(at, () => lab.down[1]!.rate = rate);
  }
  lab.ping(FROM, 23_500);
  return outcomeOf(lab, lab.measure(FROM, 24_000), offered + 20);
}

/** A link with a queue of 2 s beside a good one. */
export function bufferbloat(seed = 1): Outcome {
  const lab = new Lab({ links: [{ rate: 20, rtt: 20 }, { rate: 10, rtt: 40, queue: 2000 }], seed });
  lab.addFlow("cubic");
  lab.ping(FROM, TO - 500);
  return outcomeOf(lab, lab.measure(FROM, TO), 30);
}

/** 100 Mbit/s down and 1 up, beside 20 both ways, both directions loaded. */
export function asymmetric(seed = 1): { down: number; up: number } {
  const lab = new Lab({
    links: [{ rate: 100, rtt: 20, up: { rate: 1, rtt: 20 } }, { rate: 20, rtt: 20 }],
    seed,
  });
  lab.addFlow("cubic", "down", START_MS + (seed - 1) * START_STEP_MS);
  lab.addFlow("cubic", "up");
  const [down, up] = lab.measure(FROM, TO);
  return { down: down! / payloadOf(120), up: up! / payloadOf(21) };
}

/** On which what is sent again comes too late. */
const FAR: LabLink[] = [{ rate: 30, rtt: 200, loss: 0.01 }, { rate: 20, rtt: 250, loss: 0.01 }];
const FAR_FROM = 10_000;
const FAR_TO = 30_000;

/** One transfer over far links that lose 1 %, Mbit/s. */
export function farTransfer(control: ControlName, repairs: boolean, seed = 1): number {
  const lab = new Lab({ links: FAR, seed, repairs });
  lab.addFlow(control);
  return sumOf(lab.measure(FAR_FROM, FAR_TO));
}

/** 300 packets a second over the same. Shares that were lost, and that came 50, 100 ms late or never. */
export function farStream(
  repairs: boolean,
  seed = 1,
): { lost: number; late50: number; late100: number; reordered: number } {
  const lab = new Lab({ links: FAR, seed, repairs });
  lab.udp(STREAM_MBIT, 500, FAR_FROM);
  const count = lab.udp(STREAM_MBIT, FAR_FROM, FAR_TO);
  lab.events.run(FAR_TO + 2000);
  const { sent, received, reordered, delays } = count;
  const least = Math.min(...delays);
  const late = (ms: number) => 1 - delays.filter((delay) => delay <= least + ms).length / sent;
  return {
    ...{ lost: 1 - received / sent, reordered: reordered / sent },
    ...{ late50: late(50), late100: late(100) },
  };
}
