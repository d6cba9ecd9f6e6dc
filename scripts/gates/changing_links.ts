/**
 * Links whose rate changes while a download goes on, links whose rate nobody knows, and traffic that
 * keeps a pace of its own. Shares are of what the links offered, less headers.
 */
import { RADIO_STEP_MS, radioRates } from "../../testing/aggregation/radio_rates.ts";
import { INTERNET_ADDRESS, type Lab, type LabLink } from "../lab/lab.ts";
import { CASES } from "./cases.ts";
import { PAYLOAD_SHARE } from "./report.ts";
import { pacedUdp } from "./transfer.ts";
import { load, RAMP_SECONDS, withTunnel } from "./tunnel.ts";

const STEADY_MBIT = 20;
const STEPS: readonly LabLink[] = [
  { name: "steps", rateMbit: 50, rttMs: 20 },
  { name: "steady", rateMbit: STEADY_MBIT, rttMs: 40 },
];
const STEP_SECONDS = 5;
const LOW_MBIT = 5;
const STEPS_SECONDS = 20;

const RADIO: readonly LabLink[] = [
  { name: "steady", rateMbit: STEADY_MBIT, rttMs: 30 },
  { name: "radio", rateMbit: 30, rttMs: 50, up: { queueMs: 300 }, down: { queueMs: 300 } },
];
const RADIO_SECONDS = 20;

const UDP_SHARE = 0.9;
/** Of 1466 bytes of UDP on a link 1372 are payload of UDP in the tunnel (MTU 1400). */
const UDP_PAYLOAD_SHARE = 1372 / 1466;
const UDP_SECONDS = 8;

const KNOWN_RATES = CASES.A.map(({ name, rateMbit }) => `${name}=${rateMbit}mbit`).join(",");
const KNOWN_AFTER_SECONDS = 10;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Sets what a link carries down, until `signal`: each rate for `stepMs`. Returns what it offered, Mbit/s. */
async function changeRates(
  lab: Lab,
  link: string,
  rates: Iterator<number>,
  stepMs: number,
  signal: AbortSignal,
): Promise<number> {
  let [offered, elapsedMs] = [0, 0];
  const from = performance.now();
  for (let step = 1; !signal.aborted; step++) {
    const rateMbit = rates.next().value;
    const beganMs = performance.now();
    await lab.emulator!.change(link, { rateMbit }, "down");
    await pause(from + step * stepMs - performance.now());
    const tookMs = performance.now() - beganMs;
    if (beganMs - from < 1000 * RAMP_SECONDS) continue;
    offered += rateMbit * tookMs;
    elapsedMs += tookMs;
  }
  return offered / elapsedMs;
}

async function changing(
  links: readonly LabLink[],
  link: string,
  rates: Iterator<number>,
  timing: { readonly stepMs: number; readonly seconds: number },
  scheduler: string,
): Promise<string> {
  return await withTunnel(links, scheduler, async ({ lab }) => {
    const over = new AbortController();
    const [{ mbit, pingMedianMs, ping95Ms }, offered] = await Promise.all([
      load(lab, { seconds: timing.seconds }).finally(() => over.abort()),
      changeRates(lab, link, rates, timing.stepMs, over.signal),
    ]);
    const share = mbit / (PAYLOAD_SHARE * (offered + STEADY_MBIT));
    return `${mbit.toFixed(1)} Mbit/s (${(100 * share).toFixed(0)} %), ping median ` +
      `${pingMedianMs.toFixed(0)}, 95 % ${ping95Ms.toFixed(0)} ms`;
  });
}

function* steps(): Generator<number, never> {
  for (;;) {
    yield 50;
    yield LOW_MBIT;
  }
}

/** What UDP of an even pace loses, and how much of it overtakes, after a while of the same. */
async function paced(scheduler: string): Promise<string> {
  return await withTunnel(CASES.A, scheduler, async ({ lab }) => {
    const sum = CASES.A.reduce((mbit, { rateMbit }) => mbit + rateMbit, 0);
    const mbit = UDP_SHARE * UDP_PAYLOAD_SHARE * sum;
    const run = (seconds: number) =>
      pacedUdp(lab.client, lab.internet, INTERNET_ADDRESS, { mbit, seconds });
    await run(RAMP_SECONDS);
    const { lost, reordered } = await run(UDP_SECONDS);
    return `${mbit.toFixed(1)} Mbit/s down: ${(100 * lost).toFixed(2)} % lost, ` +
      `${(100 * reordered).toFixed(2)} % out of order`;
  });
}

/** What a download gets from its tenth second on, and with rates that were told. */
async function unknownRates(scheduler: string): Promise<string> {
  const found: number[] = [];
  for (const args of [[], ["-rate", KNOWN_RATES]]) {
    await withTunnel(CASES.A, scheduler, async ({ lab }) => {
      const { mbit } = await load(lab, { rampSeconds: KNOWN_AFTER_SECONDS });
      found.push(mbit);
      return "";
    }, { args });
  }
  const [unknown, known] = found as [number, number];
  return `after ${KNOWN_AFTER_SECONDS} s ${unknown.toFixed(1)} Mbit/s, with rates known ` +
    `${known.toFixed(1)} (${(100 * unknown / known).toFixed(0)} %)`;
}

/** What `--gates` names, and what is measured. */
export const CHANGING: Readonly<Record<string, (scheduler: string) => Promise<string>>> = {
  "steps": (scheduler) =>
    changing(
      ...[STEPS, "steps", steps()] as const,
      { stepMs: 1000 * STEP_SECONDS, seconds: STEPS_SECONDS },
      scheduler,
    ),
  "radio": (scheduler) =>
    changing(
      ...[RADIO, "radio", radioRates(1)] as const,
      { stepMs: RADIO_STEP_MS, seconds: RADIO_SECONDS },
      scheduler,
    ),
  "paced": paced,
  "unknown": unknownRates,
};
