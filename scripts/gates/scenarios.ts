/**
 * What docs/aggregation.md promises besides throughput: delay beside load, cut links, both directions
 * at once, a queue of two seconds, and what it costs. Each measures in a lab of its own and says what
 * it found in a line.
 */
import { cpuSeconds } from "../bench/process_usage.ts";
import { measureGap } from "../demo/measure.ts";
import { INTERNET_ADDRESS, Lab, type LabLink } from "../lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "../lab/programs.ts";
import { udpRun } from "../bench/iperf.ts";
import { SERVER_TUNNEL_ADDRESS } from "../bench/testbed.ts";
import type { Child } from "../../tests/netns/namespace.ts";
import { CASES } from "./cases.ts";
import { PAYLOAD_SHARE } from "./report.ts";
import type { Requests } from "./requests.ts";
import { CHANGING } from "./changing_links.ts";
import { FAR_LINKS } from "./far_links.ts";
import { ping, transfer } from "./transfer.ts";
import { load, RAMP_SECONDS, SECONDS, withTunnel } from "./tunnel.ts";

const PORT = "5201";
const PORT_DNS = "53";
const START_TIMEOUT_MS = 10_000;
/** The client looks every ten seconds. */
const LEARNING_SECONDS = 12;
const LOOK_MS = 100;
const BACK_WITHIN_MS = 10_000;
const REQUESTS = new URL("requests.ts", import.meta.url).pathname;
const UNSHAPED_SECONDS = 4;
/** 45 Mbit/s. */
const SMALL_PACKETS_PER_SECOND = 4100;
const SMALL_PAYLOAD_BYTES = 1372;

async function pingUnderLoad(links: readonly LabLink[], scheduler: string): Promise<string> {
  return await withTunnel(links, scheduler, async ({ lab }) => {
    const idle = await ping(lab.client, INTERNET_ADDRESS, 3);
    const found = [`idle ${idle.pingMedianMs.toFixed(1)} ms`];
    for (const flows of [1, 8]) {
      const { mbit, pingMedianMs, ping95Ms } = await load(lab, { flows });
      found.push(
        `${flows} flows: median ${pingMedianMs.toFixed(1)}, 95 % ${ping95Ms.toFixed(1)} ms, ` +
          `${mbit.toFixed(1)} Mbit/s`,
      );
    }
    return found.join("; ");
  });
}

async function requestsBesideBulk(scheduler: string): Promise<string> {
  return await withTunnel(CASES.A, scheduler, async ({ lab }) => {
    const program = [Deno.execPath(), "run", "-A", REQUESTS];
    const server = lab.internet.spawn([...program, "serve", PORT_DNS]);
    await server.waitForLine(/listening/, START_TIMEOUT_MS);
    const ask = async (seconds: number): Promise<Requests> => {
      const words = ["ask", INTERNET_ADDRESS, PORT_DNS, String(seconds)];
      const { stdout } = await lab.client.runWith({ timeoutMs: 60_000 }, ...program, ...words);
      return JSON.parse(stdout);
    };
    const idle = await ask(3);
    const [loaded] = await Promise.all([ask(SECONDS + RAMP_SECONDS), load(lab, { flows: 8 })]);
    await server.stop("SIGKILL");
    return `idle ${idle.medianMs.toFixed(1)} ms; beside 8 flows: median ` +
      `${loaded.medianMs.toFixed(1)}, 95 % ${loaded.worst95Ms.toFixed(1)} ms, ${loaded.lost} of ` +
      `${loaded.sent} lost`;
  });
}

/** How a link goes: silently, by losing its carrier, or by being deleted. */
const WAYS: Readonly<Record<"silent" | "carrier" | "deleted", (lab: Lab) => Promise<unknown>>> = {
  silent: (lab) => lab.cut("near"),
  carrier: (lab) => lab.client.run("ip", "link", "set", "dev", "near", "carrier", "off"),
  deleted: (lab) => lab.client.run("ip", "link", "delete", "near"),
};

async function blackout(
  way: keyof typeof WAYS,
  scheduler: string,
  downloads = 1,
): Promise<string> {
  return await withTunnel(CASES.A, scheduler, async ({ lab }) => {
    const { longestGapMs, gapBeforeMs, lossFree } = await measureGap(
      lab,
      () => WAYS[way](lab),
      downloads,
    );
    return `longest gap ${longestGapMs.toFixed(0)} ms (before the cut ${gapBeforeMs.toFixed(0)}), ${
      lossFree ? "all" : "NOT all"
    } bytes arrived`;
  });
}

/** Bytes that the client has received over a link. */
async function receivedBytes(lab: Lab, link: string): Promise<number> {
  const { stdout } = await lab.client.run("ip", "-j", "-s", "link", "show", link);
  return JSON.parse(stdout)[0].stats64.rx.bytes;
}

/** After how long a link carries four fifths of its rate, in ms. */
async function carriedAfterMs(lab: Lab, link: string): Promise<number> {
  const share = 0.8 * lab.link(link).rateMbit;
  const from = performance.now();
  let [bytes, at] = [await receivedBytes(lab, link), from];
  while (performance.now() - from < BACK_WITHIN_MS) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const [next, now] = [await receivedBytes(lab, link), performance.now()];
    const mbit = 8 * (next - bytes) / 1000 / (now - at);
    if (mbit >= share) return now - from;
    [bytes, at] = [next, now];
  }
  return Infinity;
}

async function comesBack(scheduler: string): Promise<string> {
  return await withTunnel(CASES.A, scheduler, async ({ lab }) => {
    const listener = lab.internet.spawn(["iperf3", "-s", "-p", PORT, "--forceflush"]);
    await listener.waitForLine(/listening/, START_TIMEOUT_MS);
    const client = lab.client.spawn([
      ...["iperf3", "-c", INTERNET_ADDRESS, "-p", PORT, "--reverse", "-C", "cubic", "-t", "120"],
      "--forceflush",
    ]);
    await client.waitForLine(/ 4\.0.*bits\/sec/, 20_000);
    // A flow that has not found both links yet would not fill one that is back either.
    await Promise.all(["near", "far"].map((link) => carriedAfterMs(lab, link)));
    const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    const times: number[] = [];
    for (let cut = 0; cut < 5; cut++) {
      await lab.cut("near");
      await wait(3000);
      await lab.restore("near");
      times.push(await carriedAfterMs(lab, "near"));
      await wait(Math.max(0, 5000 - times.at(-1)!));
    }
    await client.stop("SIGKILL");
    await listener.stop("SIGKILL");
    const told = times.map((ms) => ms === Infinity ? "not in 10 s" : `${(ms / 1000).toFixed(1)} s`);
    return `four fifths of its rate after ${told.join(", ")} (cuts of 3 s, one after the other)`;
  });
}

async function bothWays(links: readonly LabLink[], scheduler: string): Promise<string> {
  const rateOf = (direction: "up" | "down") =>
    links.reduce((sum, link) => sum + (link[direction]?.rateMbit ?? link.rateMbit), 0);
  return await withTunnel(links, scheduler, async ({ lab }) => {
    const listener = lab.internet.spawn(["iperf3", "-s", "-1", "-p", PORT, "--forceflush"]);
    await listener.waitForLine(/listening/, START_TIMEOUT_MS);
    const { stdout } = await lab.client.runWith(
      { timeoutMs: 60_000 },
      ...["iperf3", "-c", INTERNET_ADDRESS, "-p", PORT, "--json", "--bidir", "-C", "cubic"],
      ...["-t", String(SECONDS), "-O", String(RAMP_SECONDS)],
    );
    await listener.stop("SIGKILL");
    const { end } = JSON.parse(stdout);
    const up = end.sum_received.bits_per_second / 1e6;
    const down = end.sum_received_bidir_reverse.bits_per_second / 1e6;
    const told = (mbit: number, rate: number) =>
      `${mbit.toFixed(1)} Mbit/s (${(100 * mbit / (PAYLOAD_SHARE * rate)).toFixed(0)} %)`;
    return `up ${told(up, rateOf("up"))}, down ${told(down, rateOf("down"))} at once`;
  });
}

/** What a download gets in its first seconds, before and after the client has learned the rates. */
async function learnedRates(scheduler: string): Promise<string> {
  await using lab = await Lab.create({ links: CASES.A });
  const bundle = await newClientCertificate(lab, "gates");
  const server = await startServer(lab, { args: ["-compression", "off"] });
  const args = ["-compression", "off", "-scheduler", scheduler];
  const found: number[] = [];
  for (let start = 0; start < 2; start++) {
    const client = await startClient(lab, bundle, { args });
    found.push((await load(lab, { seconds: 3, rampSeconds: 0 })).mbit);
    if (start === 0) await load(lab, { seconds: LEARNING_SECONDS });
    await client.stop("SIGTERM");
  }
  await server.stop("SIGTERM");
  const [first, second] = found.map((mbit) => mbit.toFixed(1));
  return `first 3 s of a download: ${first} Mbit/s, after a restart ${second}`;
}

async function processorTime(scheduler: string): Promise<string> {
  const links = [{ name: "one", rateMbit: 50, rttMs: 20 }, {
    name: "two",
    rateMbit: 50,
    rttMs: 20,
  }];
  return await withTunnel(links, scheduler, async ({ lab, programs }) => {
    const used = () => usedSeconds(programs);
    const [before, received] = [used(), await bothReceived(lab)];
    const { mbit } = await load(lab, { flows: 8 });
    const [seconds, bytes] = [used() - before, await bothReceived(lab) - received];
    return `${(seconds / (bytes / 1e9)).toFixed(1)} s a GB at ${mbit.toFixed(1)} Mbit/s, both ends`;
  });
}

function usedSeconds(programs: readonly Child[]): number {
  return programs.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0);
}

/** Nothing but the processor limits these. */
const UNSHAPED: LabLink[] = [{ name: "one", rateMbit: 0, rttMs: 0 }, {
  name: "two",
  rateMbit: 0,
  rttMs: 0,
}];

/** One and eight flows both ways between client and server, after a warm-up, in Mbit/s. */
async function unshaped(scheduler: string): Promise<string> {
  return await withTunnel(UNSHAPED, scheduler, async ({ lab, programs }) => {
    const run = (flows: number, direction: "up" | "down") =>
      transfer(lab.client, lab.server, SERVER_TUNNEL_ADDRESS, {
        ...{ control: "cubic", flows, direction, rampSeconds: 1, seconds: UNSHAPED_SECONDS },
      });
    await run(1, "up");
    await run(1, "down");
    const found: string[] = [];
    for (const flows of [1, 8]) {
      const used = usedSeconds(programs);
      const [up, down] = [await run(flows, "up"), await run(flows, "down")];
      // About, as what the ramps carried is reckoned at the rate of what followed.
      const bytes = (up.mbit + down.mbit) / 8000 * (UNSHAPED_SECONDS + 1);
      found.push(
        `${flows} flows: up ${up.mbit.toFixed(0)}, down ${down.mbit.toFixed(0)} Mbit/s, ` +
          `${((usedSeconds(programs) - used) / bytes).toFixed(2)} s a GB`,
      );
    }
    return found.join("; ");
  }, { shaping: "none" });
}

/** UDP from the client to the server, each packet sent by itself. */
async function smallSends(scheduler: string): Promise<string> {
  return await withTunnel(UNSHAPED, scheduler, async ({ lab, programs }) => {
    const run = (seconds: number) =>
      udpRun(lab, SERVER_TUNNEL_ADDRESS, { packetsPerSecond: SMALL_PACKETS_PER_SECOND, seconds });
    await run(2);
    const idle = await ping(lab.client, SERVER_TUNNEL_ADDRESS, 2);
    const used = usedSeconds(programs);
    const [{ receivedPerSecond, loss }, beside] = await Promise.all([
      run(SECONDS),
      ping(lab.client, SERVER_TUNNEL_ADDRESS, SECONDS - 1),
    ]);
    const bytes = receivedPerSecond * SMALL_PAYLOAD_BYTES * SECONDS / 1e9;
    return `${((usedSeconds(programs) - used) / bytes).toFixed(1)} s a GB, both ends; ping idle ` +
      `${idle.pingMedianMs.toFixed(2)} ms, beside it ${beside.pingMedianMs.toFixed(2)} ms; ` +
      `${(100 * loss).toFixed(2)} % lost`;
  }, { shaping: "none" });
}

async function bothReceived(lab: Lab): Promise<number> {
  return await receivedBytes(lab, "one") + await receivedBytes(lab, "two");
}

const BLOATED: LabLink[] = [
  { name: "good", rateMbit: 20, rttMs: 20 },
  {
    ...{ name: "bloated", rateMbit: 10, rttMs: 40 },
    ...{ up: { queueMs: 2000 }, down: { queueMs: 2000 } },
  },
];

const ASYMMETRIC: LabLink[] = [
  { name: "cable", rateMbit: 100, rttMs: 20, up: { rateMbit: 1 } },
  { name: "dsl", rateMbit: 20, rttMs: 20 },
];

/** What `--gates` names, and what is measured. */
export const SCENARIOS: Readonly<Record<string, (scheduler: string) => Promise<string>>> = {
  "ping": (scheduler) => pingUnderLoad(CASES.A, scheduler),
  "requests": requestsBesideBulk,
  "blackout": (scheduler) => blackout("silent", scheduler),
  "blackout-4": (scheduler) => blackout("silent", scheduler, 4),
  "carrier": (scheduler) => blackout("carrier", scheduler),
  "deleted": (scheduler) => blackout("deleted", scheduler),
  "back": comesBack,
  "both": (scheduler) => bothWays(CASES.A, scheduler),
  "asymmetric": (scheduler) => bothWays(ASYMMETRIC, scheduler),
  "learned": learnedRates,
  "bufferbloat": (scheduler) => pingUnderLoad(BLOATED, scheduler),
  "cpu": processorTime,
  "unshaped": unshaped,
  "small": smallSends,
  ...CHANGING,
  ...FAR_LINKS,
};
