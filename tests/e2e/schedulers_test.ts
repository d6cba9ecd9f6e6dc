/**
 * What the schedulers promise, over emulated links, with iperf3 as the judge. Rates are compared with
 * what the links are set to carry, less what the tunnel's headers take.
 */
import { ok } from "node:assert/strict";
import { INTERNET_ADDRESS, Lab, type LabLink } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import type { Namespace } from "../netns/namespace.ts";
import { type Measure, topic } from "./scenario.ts";

const PORT = "5201";
const START_TIMEOUT_MS = 10_000;
const RAMP_SECONDS = 1;
const SECONDS = 3;
const TRIES_MAX = 3;
/** Of 1478 bytes on a link 1348 are TCP payload inside the tunnel (MTU 1400). */
const PAYLOAD_SHARE = 1348 / 1478;
const DIRECTIONS = ["down", "up"] as const;
type Direction = typeof DIRECTIONS[number];

async function serveIperf(machine: Namespace): Promise<void> {
  const child = machine.spawn(["iperf3", "-s", "-p", PORT, "--forceflush"]);
  await child.waitForLine(/listening/, START_TIMEOUT_MS);
}

async function iperf(lab: Lab, direction: Direction, ...options: string[]) {
  const { stdout } = await lab.client.runWith(
    { timeoutMs: 40_000 },
    ...["iperf3", "-c", INTERNET_ADDRESS, "-p", PORT, "--json", "--connect-timeout", "9000"],
    ...["-t", String(SECONDS), "-O", String(RAMP_SECONDS)],
    ...(direction === "down" ? ["--reverse"] : []),
    ...options,
  );
  return JSON.parse(stdout).end;
}

/** Mbit/s of TCP payload through the tunnel; with the machine's congestion control unless told. */
async function tcpMbit(
  lab: Lab,
  direction: Direction,
  flows: number,
  ...options: string[]
): Promise<number> {
  const end = await iperf(lab, direction, "-P", String(flows), ...options);
  return end.sum_received.bits_per_second / 1e6;
}

async function udpLoss(lab: Lab, direction: Direction, mbit: number): Promise<number> {
  const end = await iperf(lab, direction, "-u", "-b", `${mbit}M`, "-l", "1200");
  return end.sum.lost_packets / end.sum.packets;
}

async function startLab(links: readonly LabLink[]): Promise<Lab> {
  const lab = await Lab.create({ links });
  await serveIperf(lab.internet);
  return lab;
}

async function startTunnel(lab: Lab, scheduler: string): Promise<void> {
  const bundle = await newClientCertificate(lab, "laptop");
  await startServer(lab, { args: ["-compression", "off"] });
  await startClient(lab, bundle, { args: ["-scheduler", scheduler, "-compression", "off"] });
}

/** The best of some tries: a busy machine only ever makes things slower. */
async function reach(
  measure: Measure,
  atLeast: number,
  run: () => Promise<number>,
): Promise<void> {
  let best = 0;
  for (let tries = 0; tries < TRIES_MAX && best < atLeast; tries++) {
    best = Math.max(best, await run());
  }
  measure("carried", best, "Mbit/s");
  ok(best >= atLeast, `${best} Mbit/s, of ${atLeast} wanted`);
}

topic("e2e schedulers: flow over equal round trips", async (scenario) => {
  await using lab = await startLab([
    { name: "fast", rateMbit: 50, rttMs: 20 },
    { name: "middle", rateMbit: 20, rttMs: 20 },
    { name: "slow", rateMbit: 10, rttMs: 20 },
  ]);
  await startTunnel(lab, "flow");
  for (const direction of DIRECTIONS) {
    await scenario(`8 flows ${direction} carry 90 % of 80 Mbit/s`, async (measure) => {
      await reach(measure, 0.9 * 80 * PAYLOAD_SHARE, () => tcpMbit(lab, direction, 8));
    });
  }
});

topic("e2e schedulers: flow over a near and a far link", async (scenario) => {
  await using lab = await startLab([
    { name: "near", rateMbit: 50, rttMs: 20 },
    { name: "far", rateMbit: 20, rttMs: 150 },
  ]);
  await startTunnel(lab, "flow");
  for (const [flows, direction] of [[1, "down"], [8, "up"]] as const) {
    await scenario(`${flows} flows ${direction} are as fast as the best link`, async (measure) => {
      await reach(measure, 0.95 * 50 * PAYLOAD_SHARE, () => tcpMbit(lab, direction, flows));
    });
  }
});

topic("e2e schedulers: redundant over links that lose 5 %", async (scenario) => {
  const lossy = { up: { lossRate: 0.05 }, down: { lossRate: 0.05 } };
  await using lab = await startLab([
    { name: "one", rateMbit: 20, rttMs: 20, ...lossy },
    { name: "two", rateMbit: 20, rttMs: 25, ...lossy },
  ]);
  await startTunnel(lab, "redundant");
  await scenario("UDP up loses less than 0.5 %", async (measure) => {
    let loss = 1;
    for (let tries = 0; tries < TRIES_MAX && loss >= 0.005; tries++) {
      loss = Math.min(loss, await udpLoss(lab, "up", 12));
    }
    measure("lost", 100 * loss, "%");
    ok(loss < 0.005, `${100 * loss} % lost`);
  });
  await scenario("TCP down has 90 % of the better link", async (measure) => {
    // What is lost on a link has been carried by it, so 19 of 20 Mbit/s are left to be used.
    await reach(
      measure,
      0.9 * 0.95 * 20 * PAYLOAD_SHARE,
      () => tcpMbit(lab, "down", 8),
    );
  });
});

topic("e2e schedulers: stripe", async (scenario) => {
  await using lab = await startLab([
    { name: "one", rateMbit: 20, rttMs: 20 },
    { name: "two", rateMbit: 20, rttMs: 25 },
  ]);
  await startTunnel(lab, "stripe");
  await scenario("one flow down is faster than one link", async (measure) => {
    await reach(measure, 1.2 * 20, () => tcpMbit(lab, "down", 1));
  });
});

topic("e2e schedulers: aggregate over a near and a far link", async (scenario) => {
  await using lab = await startLab([
    { name: "near", rateMbit: 50, rttMs: 20 },
    { name: "far", rateMbit: 20, rttMs: 80 },
  ]);
  await startTunnel(lab, "aggregate");
  for (const direction of DIRECTIONS) {
    await scenario(`one flow ${direction} is faster than the best link`, async (measure) => {
      // BBR takes longer than these seconds to find out what all paths carry (docs/aggregation.md).
      const run = () => tcpMbit(lab, direction, 1, "-C", "cubic");
      await reach(measure, 1.1 * 50 * PAYLOAD_SHARE, run);
    });
  }
});
