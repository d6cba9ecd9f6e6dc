/**
 * A network that polices UDP to a trickle and lets TCP pass: the client goes inside TLS, and comes back
 * when that is over. On a link that is merely full it stays by UDP.
 */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { Lab } from "../../scripts/lab/lab.ts";
import {
  environment,
  newClientCertificate,
  program,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import { until } from "../../testing/until.ts";
import type { Child } from "../netns/namespace.ts";
import { hostState } from "./host_state.ts";
import { interfaceBytes } from "./router_filter.ts";
import { topic } from "./scenario.ts";
import { pingAll, SERVER_INNER } from "./small_lab.ts";

const LINK = "one";
const LINK_MBIT = 50;
const WANTED_MBIT = 30;
const STATE_TIMEOUT_MS = 60_000;

topic("e2e transport: UDP that is slowed down", async (scenario) => {
  await using lab = await Lab.create({
    links: [
      { name: LINK, rateMbit: LINK_MBIT, rttMs: 20 },
      // A bond has two: this one is let alone, and is no way out.
      { name: "two", rateMbit: 2, rttMs: 40 },
    ],
  });
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab);
  const before = await hostState(lab.client);
  const listener = lab.server.spawn(["iperf3", "-s", "--forceflush"]);
  await listener.waitForLine(/listening on/, STATE_TIMEOUT_MS);
  /** Downloads until it is stopped. */
  const download = (...options: string[]) =>
    lab.client.spawn(["iperf3", "-c", SERVER_INNER, "-R", "-t", "300", "-P", "2", ...options]);
  /** What comes over the link in a second, in Mbit/s. */
  const rate = async () => {
    const first = await interfaceBytes(lab.client, LINK);
    const startMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const bytes = await interfaceBytes(lab.client, LINK) - first;
    return 8 * bytes / 1000 / (performance.now() - startMs);
  };

  for (const scheduler of ["flow", "aggregate"]) {
    await scenario(`policed, and not any more: -scheduler ${scheduler}`, async (measure) => {
      const client = await startClient(lab, bundle, { args: ["-v", "-scheduler", scheduler] });
      await police(lab);
      const policedMs = performance.now();
      const load = download();
      await moved(client, "UDP is slowed down");
      measure("inside TLS after", performance.now() - policedMs, "ms");
      let inside = 0;
      await until(
        `${WANTED_MBIT} Mbit/s inside TLS`,
        async () => (inside = Math.max(inside, await rate())) > WANTED_MBIT,
        STATE_TIMEOUT_MS,
      );
      measure("inside TLS", Math.round(inside), "Mbit/s");
      match(await status(lab), /one inside TLS: UDP is slowed down/);
      await unpolice(lab);
      const freeMs = performance.now();
      await moved(client, "UDP is not slowed down any more");
      measure("by UDP after", performance.now() - freeMs, "ms");
      await load.stop("SIGINT");
      await pingAll(lab.client, [SERVER_INNER]);
      equal(await client.stop("SIGINT"), 0);
      deepEqual(await hostState(lab.client), before);
    });
  }

  await scenario(
    "a link that is merely full is tried by TLS, and stays by UDP",
    async (measure) => {
      // The other scheduler sends no more than a link carries, so nothing is lost there.
      const client = await startClient(lab, bundle, { args: ["-v", "-scheduler", "flow"] });
      // Twice what the link carries, of packets that heed no loss.
      const load = download("-u", "-b", `${LINK_MBIT}M`, "-l", "1200");
      await moved(client, "TLS gets no more than UDP");
      measure("over the full link", Math.round(await rate()), "Mbit/s");
      await load.stop("SIGINT");
      ok(!/UDP is slowed down/.test(client.tail(1000)), client.tail(20));
      equal(await client.stop("SIGINT"), 0);
      deepEqual(await hostState(lab.client), before);
    },
  );
  await listener.stop("SIGKILL");
  equal(await server.stop("SIGINT"), 0);
});

async function moved(client: Child, why: string): Promise<void> {
  await client.waitForLine(new RegExp(`link ${LINK}: ${why}`), STATE_TIMEOUT_MS);
}

/** 1 Mbit/s of UDP each way over the link, and what is more is dropped. */
async function police(lab: Lab): Promise<void> {
  const limit = "8000 limit rate over 125 kbytes/second burst 16 kbytes drop";
  await lab.router.run("nft", "add", "table", "inet", "trial");
  const chain = "{ type filter hook forward priority -10 ; }";
  await lab.router.run("nft", "add", "chain", "inet", "trial", "forward", chain);
  for (const which of [`iifname ${LINK} udp dport`, `oifname ${LINK} udp sport`]) {
    await lab.router.run("nft", `add rule inet trial forward ${which} ${limit}`);
  }
}

async function unpolice(lab: Lab): Promise<void> {
  await lab.router.run("nft", "delete", "table", "inet", "trial");
}

async function status(lab: Lab): Promise<string> {
  const own = environment(lab, "client");
  return (await lab.client.runWith(own, ...program("client"), "status")).stdout;
}
