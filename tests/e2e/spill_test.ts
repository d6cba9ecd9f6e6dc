/**
 * Eight transfers each way over links at different distances: the far one takes what the near one has
 * no room for, with `flow`.
 *
 *   internet --- router --- server === near, 50 Mbit/s at 20 ms ===== client
 *                                  === far, 20 Mbit/s at 80 ms ======
 */
import { Lab } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import type { Namespace } from "../netns/namespace.ts";
import { bestOf } from "../support/best_of.ts";
import { type Measure, topic } from "./scenario.ts";
import { SERVER_INNER } from "./small_lab.ts";
import { serveTransfers, Transfer } from "./transfer.ts";

const STATE_TIMEOUT_MS = 20_000;
const ATTEMPTS = 3;

topic("e2e spill: a far link beside a near one", async (scenario) => {
  await using lab = await Lab.create({
    links: [
      { name: "near", rateMbit: 50, rttMs: 20 },
      { name: "far", rateMbit: 20, rttMs: 80 },
    ],
  });
  await serveTransfers(lab.server);
  const bundle = await newClientCertificate(lab, "laptop");
  await startServer(lab);
  const client = await startClient(lab, bundle, { args: ["-scheduler", "flow"] });
  for (const link of ["near", "far"]) {
    await client.waitForLine(new RegExp(`link ${link}: path is up`), STATE_TIMEOUT_MS);
  }

  for (const [flows, mbit, least, most] of [[1, 20, 0, 0.05], [8, 60, 0.15, 0.4]] as const) {
    await scenario(`${flows} transfers each way`, async (measure) => {
      const share = await bestOf(
        ATTEMPTS,
        () => shareOfFar(lab, mbit, flows, measure),
        (share) => share >= least && share <= most,
      );
      measure("share of the far link", 100 * share, "%");
    });
  }
});

/** The far link's part in what comes in during ten seconds. */
async function shareOfFar(
  lab: Lab,
  mbit: number,
  flows: number,
  measure: Measure,
): Promise<number> {
  const before = await bytesOf(lab.client);
  const startedMs = performance.now();
  const transfer = await Transfer.start(lab.client, { to: SERVER_INNER, mbit, seconds: 10, flows });
  const { down } = await transfer.complete(measure);
  const seconds = (performance.now() - startedMs) / 1000;
  measure("rate down", down.bytes * 8 / 1e6 / seconds, "Mbit/s");
  const after = await bytesOf(lab.client);
  const carried = (link: "near" | "far") => after[link] - before[link];
  return carried("far") / (carried("near") + carried("far"));
}

/** Bytes that came in on each link. */
async function bytesOf(machine: Namespace): Promise<{ near: number; far: number }> {
  const read = async (link: string) => {
    const { stdout } = await machine.run("cat", `/sys/class/net/${link}/statistics/rx_bytes`);
    return Number(stdout);
  };
  return { near: await read("near"), far: await read("far") };
}
