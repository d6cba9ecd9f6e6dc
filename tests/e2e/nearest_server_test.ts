/** Two servers of different distance, and the client that takes the nearer one. */
import { deepEqual, equal, ok } from "node:assert/strict";
import {
  environment,
  newClientCertificate,
  program,
  startClient,
} from "../../scripts/lab/programs.ts";
import { until } from "../../testing/until.ts";
import { hostState } from "./host_state.ts";
import { topic } from "./scenario.ts";
import { SecondServer } from "./second_server.ts";
import { createSmallLab, ping, SERVER_INNER } from "./small_lab.ts";

const STATE_TIMEOUT_MS = 40_000;
const NEAR_MS = 10;
const FAR_MS = 60;

topic("e2e the nearest of several servers", async (scenario) => {
  await using cleanup = new AsyncDisposableStack();
  const lab = cleanup.use(await createSmallLab());
  const bundle = await newClientCertificate(lab, "laptop");
  const site = (label: string, network: number, rttMs: number) =>
    SecondServer.create(lab, cleanup, { label, network, rttMs });
  const far = await site("far", 116, FAR_MS);
  const near = await site("near", 115, NEAR_MS);
  const before = await hostState(lab.client);
  let nearServer = await near.start();
  const farServer = await far.start();
  // The far one is named first, so that the order does not decide.
  const client = await startClient(lab, bundle, {
    servers: [far.address, near.address],
    args: ["-server-choice", "nearest"],
  });
  const servers = async () => {
    const own = environment(lab, "client");
    const { stdout } = await lab.client.runWith(own, ...program("client"), "status", "--json");
    return JSON.parse(stdout).bond.servers as { state: string; rttMs: number | null }[];
  };
  const states = async () => (await servers()).map(({ state }) => state);

  await scenario("the near one is taken, whatever the order", async (measure) => {
    await client.waitForLine(new RegExp(`in use: server ${near.address}`), STATE_TIMEOUT_MS);
    await ping(lab.client, SERVER_INNER);
    const [there, here] = await servers();
    measure("round trip to the near one", Math.round(here!.rttMs!), "ms");
    measure("round trip to the far one", Math.round(there!.rttMs!), "ms");
    ok(here!.rttMs! < there!.rttMs!);
    equal(here!.state, "in use");
  });

  await scenario("the near one is killed: the far one takes over", async (measure) => {
    const from = client.lineCount;
    const killedMs = performance.now();
    await nearServer.stop("SIGKILL");
    await client.waitForLine(new RegExp(`in use: server ${far.address}`), STATE_TIMEOUT_MS, from);
    measure("in use after", Math.round(performance.now() - killedMs), "ms");
    await ping(lab.client, SERVER_INNER);
    deepEqual(await states(), ["in use", "silent"]);
  });

  await scenario("it comes back, and is not moved to before it is trusted", async () => {
    const from = client.lineCount;
    nearServer = await near.start();
    // How it goes on, in minutes, is on the clock of nearest_server_test.ts beside the client.
    await until(
      "it answers",
      async () => (await states())[1] === "not trusted yet",
      STATE_TIMEOUT_MS,
    );
    await until("it is trusted", async () => (await states())[1] === "ready", 2 * STATE_TIMEOUT_MS);
    ok(!client.tail(client.lineCount - from + 1).includes(`in use: server ${near.address}`));
    await ping(lab.client, SERVER_INNER);
  });
  equal(await client.stop("SIGINT"), 0);
  deepEqual(await hostState(lab.client), before);
  equal(await nearServer.stop("SIGINT"), 0);
  equal(await farServer.stop("SIGINT"), 0);
});
