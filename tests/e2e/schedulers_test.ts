/**
 * What the schedulers promise, over emulated links, with iperf3 as the judge. Rates are compared with
 * what the same links carry in the same run without a tunnel, less what the tunnel's headers take.
 */
import { ok } from "node:assert/strict";
import { INTERNET_ADDRESS, Lab, type LabLink, SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import type { Namespace } from "../netns/namespace.ts";
import { type Measure, topic } from "./scenario.ts";

const PORT = "5201";
const START_TIMEOUT_MS = 10_000;
const RAMP_SECONDS = 1;
const SECONDS = 4;
/** Of 1500 bytes 1448 are payload without a tunnel, of 1478 are 1348 with one (MTU 1400). */
const TUNNEL_SHARE = (1348 / 1478) / (1448 / 1500);
/** Two runs of the same thing differ by as much. */
const NOISE = 0.95;
const DIRECTIONS = ["down", "up"] as const;
type Direction = typeof DIRECTIONS[number];

async function serveIperf(machine: Namespace): Promise<void> {
  const child = machine.spawn(["iperf3", "-s", "-p", PORT, "--forceflush"]);
  await child.waitForLine(/listening/, START_TIMEOUT_MS);
}

async function iperf(lab: Lab, address: string, direction: Direction, ...options: string[]) {
  const { stdout } = await lab.client.runWith(
    { timeoutMs: 40_000 },
    ...["iperf3", "-c", address, "-p", PORT, "--json", "--connect-timeout", "9000"],
    ...["-t", String(SECONDS), "-O", String(RAMP_SECONDS)],
    ...(direction === "down" ? ["--reverse"] : []),
    ...options,
  );
  return JSON.parse(stdout).end;
}

async function tcpMbit(
  lab: Lab,
  address: string,
  direction: Direction,
  flows: number,
  ...options: string[]
): Promise<number> {
  const end = await iperf(lab, address, direction, "-P", String(flows), ...options);
  return end.sum_received.bits_per_second / 1e6;
}

async function udpLoss(lab: Lab, direction: Direction, mbit: number): Promise<number> {
  const end = await iperf(
    ...[lab, INTERNET_ADDRESS, direction, "-u", "-b", `${mbit}M`, "-l", "1200"] as const,
  );
  return end.sum.lost_packets / end.sum.packets;
}

/** Mbit/s of eight plain flows over one link, without a tunnel. */
function alone(lab: Lab, link: string, direction: Direction): Promise<number> {
  return tcpMbit(lab, SERVER_ADDRESS, direction, 8, "--bind-dev", link);
}

async function startLab(links: readonly LabLink[]): Promise<Lab> {
  const lab = await Lab.create({ links });
  for (const machine of [lab.server, lab.internet]) await serveIperf(machine);
  return lab;
}

async function startTunnel(lab: Lab, scheduler: string): Promise<void> {
  const bundle = await newClientCertificate(lab, "laptop");
  await startServer(lab, { args: ["-compression", "off"] });
  await startClient(lab, bundle, { args: ["-scheduler", scheduler, "-compression", "off"] });
}

async function compare(
  measure: Measure,
  what: string,
  mbit: number,
  atLeast: number,
): Promise<void> {
  measure(what, mbit, "Mbit/s");
  measure(`${what}: share of the bar`, mbit / atLeast);
  ok(mbit >= atLeast, `${what}: ${mbit} Mbit/s, of ${atLeast} wanted`);
  await Promise.resolve();
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
      const mbit = await tcpMbit(lab, INTERNET_ADDRESS, direction, 8);
      await compare(measure, "together", mbit, 0.9 * 80 * TUNNEL_SHARE);
    });
  }
});

topic("e2e schedulers: flow over a near and a far link", async (scenario) => {
  await using lab = await startLab([
    { name: "near", rateMbit: 50, rttMs: 20 },
    { name: "far", rateMbit: 20, rttMs: 150 },
  ]);
  const best = {
    down: await alone(lab, "near", "down"),
    up: await alone(lab, "near", "up"),
  };
  await startTunnel(lab, "flow");
  for (const flows of [1, 8]) {
    for (const direction of DIRECTIONS) {
      await scenario(
        `${flows} flows ${direction} are as fast as over the best link`,
        async (measure) => {
          const mbit = await tcpMbit(lab, INTERNET_ADDRESS, direction, flows);
          await compare(measure, "together", mbit, NOISE * TUNNEL_SHARE * best[direction]);
        },
      );
    }
  }
});

topic("e2e schedulers: redundant over links that lose 5 %", async (scenario) => {
  const lossy = { up: { lossRate: 0.05 }, down: { lossRate: 0.05 } };
  await using lab = await startLab([
    { name: "one", rateMbit: 20, rttMs: 20, ...lossy },
    { name: "two", rateMbit: 20, rttMs: 25, ...lossy },
  ]);
  const best = { down: await alone(lab, "one", "down"), up: await alone(lab, "one", "up") };
  await startTunnel(lab, "redundant");
  for (const direction of DIRECTIONS) {
    await scenario(`UDP ${direction} loses less than 0.5 %`, async (measure) => {
      const loss = await udpLoss(lab, direction, 8);
      measure("lost", 100 * loss, "%");
      ok(loss < 0.005, `${100 * loss} % lost`);
    });
    await scenario(`TCP ${direction} has 90 % of the better link`, async (measure) => {
      const mbit = await tcpMbit(lab, INTERNET_ADDRESS, direction, 8);
      await compare(measure, "8 flows", mbit, 0.9 * TUNNEL_SHARE * best[direction]);
    });
  }
});

topic("e2e schedulers: stripe", async (scenario) => {
  await using lab = await startLab([
    { name: "one", rateMbit: 20, rttMs: 20 },
    { name: "two", rateMbit: 20, rttMs: 25 },
  ]);
  await startTunnel(lab, "stripe");
  for (const direction of DIRECTIONS) {
    await scenario(`one flow ${direction} is faster than one link`, async (measure) => {
      const mbit = await tcpMbit(lab, INTERNET_ADDRESS, direction, 1);
      await compare(measure, "one flow", mbit, 1.2 * 20);
    });
  }
});
