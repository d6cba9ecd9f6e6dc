/**
 * Eight uploads of our client to a v1 server over two slow links: a v1 server says nothing of queues,
 * and the load of our own must not be taken for a bad link.
 *
 *   client === one, two: 4 Mbit/s at 30 ms each === router === v1 server (TUN)
 */
import { ok } from "node:assert/strict";
import { Lab } from "../../scripts/lab/lab.ts";
import { startClient } from "../../scripts/lab/programs.ts";
import { topic } from "./scenario.ts";
import { bestOf } from "../support/best_of.ts";
import { makeOldTree, PeerProcess } from "../v1_peer/peer_process.ts";

const STATE_TIMEOUT_MS = 30_000;
const LINKS = ["one", "two"];
const ATTEMPTS = 2;
/** Of 7.6 that both links have for what is inside; one of them alone has 3.8. */
const LEAST_MBIT = 6;
const SECONDS = "10";

topic("v1 server: eight uploads over two links", async (scenario) => {
  await using lab = await Lab.create({
    links: LINKS.map((name) => ({ name, rateMbit: 4, rttMs: 30 })),
  });
  const tree = await makeOldTree(lab);
  await tree.issueClient("new", "EC P-256");
  const args = ["--pki", `${lab.directory}/pki`, "--tun", "v1srv"];
  await PeerProcess.start(lab.server, "server", ...args);
  await lab.server.run("ip", "address", "add", "10.8.0.1/24", "dev", "v1srv");
  await lab.server.run("ip", "link", "set", "v1srv", "up", "mtu", "1400");
  const sink = lab.server.spawn(["iperf3", "-s", "-B", "10.8.0.1", "--forceflush"]);
  await sink.waitForLine(/listening/i, STATE_TIMEOUT_MS);
  const client = await startClient(lab, `${tree.directory}/clients/new.pem`, {
    args: ["-accept-v1", "-compression", "off"],
  });
  for (const link of LINKS) {
    await client.waitForLine(new RegExp(`link ${link}: path is up`), STATE_TIMEOUT_MS);
  }

  await scenario("both links carry", async (measure) => {
    const mbit = await bestOf(ATTEMPTS, () => upload(lab), (mbit) => mbit >= LEAST_MBIT);
    measure("eight uploads", mbit, "Mbit/s");
    ok(mbit >= LEAST_MBIT, `${mbit} Mbit/s`);
  });
});

/** What eight uploads at a time come to, in Mbit/s. */
async function upload({ client }: Lab): Promise<number> {
  const flows = ["-P", "8", "-t", SECONDS, "-O", "2", "-J"];
  const uploading = client.spawn(["iperf3", "-c", "10.8.0.1", ...flows]);
  await uploading.ended;
  return JSON.parse(uploading.output("stdout")).end.sum_received.bits_per_second / 1e6;
}
