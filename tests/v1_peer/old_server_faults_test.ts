/**
 * Our client with a v1 server as the first ones were: it never lets a path go, so what it sends over
 * one that is cut is lost, and its reorder buffer may jam for good.
 */
import { equal, ok } from "node:assert/strict";
import type { Lab } from "../../scripts/lab/lab.ts";
import { startClient } from "../../scripts/lab/programs.ts";
import type { Child } from "../netns/namespace.ts";
import { cutLink, restoreLink } from "../e2e/router_filter.ts";
import { topic } from "../e2e/scenario.ts";
import { createSmallLab, FAR_ADDRESSES, LINKS, pingAll, SERVER_INNER } from "../e2e/small_lab.ts";
import { makeOldTree, PeerProcess } from "./peer_process.ts";

const STATE_TIMEOUT_MS = 30_000;
const CUT = "two";

for (const engine of ["native", "portable"] as const) {
  topic(`our client (${engine}) and a v1 server that keeps its paths`, async (scenario) => {
    await using lab = await createSmallLab();
    const tree = await makeOldTree(lab);
    await tree.issueClient("new", "EC P-256");
    const args = ["--pki", `${lab.directory}/pki`, "--keeps-paths"];
    const server = await PeerProcess.start(lab.server, "server", ...args);
    const client = await startClient(lab, `${tree.directory}/clients/new.pem`, {
      args: ["-accept-v1", "-engine", engine, "-v"],
    });
    await bothUp(client, 0);
    await pingAll(lab.client, FAR_ADDRESSES);

    await scenario("a link that is cut costs a new session, and no flow", async (measure) => {
      const from = client.lineCount;
      const cutMs = performance.now();
      await using cut = new AsyncDisposableStack();
      await cutLink(lab.router, CUT);
      cut.defer(() => restoreLink(lab.router, CUT));
      await client.waitForLine(/goes on using link two: asking for a new/, STATE_TIMEOUT_MS, from);
      await client.waitForLine(/session renewed/, STATE_TIMEOUT_MS, from);
      measure("new session after", performance.now() - cutMs, "ms");
      const { stdout } = await lab.client.run(
        ...["ping", "-c50", "-i0.05", "-W2", "-q", SERVER_INNER],
      );
      const received = Number(/ (\d+) received/.exec(stdout)?.[1]);
      measure("pings answered of 50", received);
      // What goes over the dead path is lost: half of it, where that goes on.
      ok(received >= 40, stdout);
      const mended = client.lineCount;
      await cut.disposeAsync();
      await client.waitForLine(/link two: path is up/, STATE_TIMEOUT_MS, mended);
      await pingAll(lab.client, FAR_ADDRESSES);
    });

    await scenario("a link that is set down and up keeps its UDP port in a session", async () => {
      // The first time costs a session; soon after that the links have the one they are in.
      await flap(lab, client);
      const before = await portOf(lab, CUT);
      await flap(lab, client);
      equal(await portOf(lab, CUT), before);
      await pingAll(lab.client, FAR_ADDRESSES);
    });

    await scenario("a server whose buffer is jammed gets a new session", async (measure) => {
      const from = client.lineCount;
      await server.jam();
      const jammedMs = performance.now();
      const pings = lab.client.spawn(["ping", "-i0.2", SERVER_INNER]);
      await client.waitForLine(/answers, but sends no packets/, STATE_TIMEOUT_MS, from);
      await client.waitForLine(/session renewed/, STATE_TIMEOUT_MS, from);
      measure("new session after", performance.now() - jammedMs, "ms");
      await pings.stop("SIGKILL");
      await pingAll(lab.client, FAR_ADDRESSES);
    });
    equal(await client.stop("SIGINT"), 0);
    await server.stop();
  });
}

async function bothUp(client: Child, from: number): Promise<void> {
  for (const link of LINKS) {
    await client.waitForLine(new RegExp(`link ${link}: path is up`), STATE_TIMEOUT_MS, from);
  }
}

async function flap(lab: Lab, client: Child): Promise<void> {
  const from = client.lineCount;
  await lab.client.run("ip", "link", "set", CUT, "down");
  await client.waitForLine(/link two is down/, STATE_TIMEOUT_MS, from);
  const down = client.lineCount;
  await lab.client.run("ip", "link", "set", CUT, "up");
  await client.waitForLine(/link two: path is up/, STATE_TIMEOUT_MS, down);
}

/** The UDP port that a link's path is sent from, in the session that is used. */
async function portOf({ client }: Lab, link: string): Promise<string> {
  const { stdout } = await client.run("ss", "-uHn");
  const ports = stdout.split("\n").filter((line) =>
    line.includes(`%${link}:`) && line.includes(":8000")
  )
    .map((line) => /:(\d+)\s+\S+:8000/.exec(line)?.[1]);
  return ports.join();
}
