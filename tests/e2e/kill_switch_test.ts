import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6, type Lab } from "../../scripts/lab/lab.ts";
import {
  newClientCertificate,
  spawnClient,
  startClient,
  startServer,
} from "../../scripts/lab/programs.ts";
import { hostState } from "./host_state.ts";
import { ClearTrafficCounter } from "./router_filter.ts";
import { type Measure, type Scenario, topic } from "./scenario.ts";
import {
  cert,
  createSmallLab,
  ending,
  FAR_ADDRESSES,
  LINKS,
  pingAll,
  restore,
} from "./small_lab.ts";

/** On the internet's side of the router; without a kill switch the client gets an answer from it. */
const ROUTER_ADDRESS = "198.51.100.1";
const ROUTER_ADDRESS6 = "2001:db8:51::1";
const OUTSIDE = [ROUTER_ADDRESS, ROUTER_ADDRESS6, INTERNET_ADDRESS, INTERNET_ADDRESS6];
/** The router's ends of the links: neighbours, and so allowed. */
const NEIGHBOURS = ["10.71.1.1", "fd71:2::1"];
const RECONNECT_TIMEOUT_MS = 30_000;

for (const backend of ["nft", "iptables"] as const) {
  topic(`e2e kill switch by ${backend}`, async (scenario) => {
    await using lab = await createSmallLab();
    const bundle = await newClientCertificate(lab, "laptop");
    const server = await startServer(lab);
    const env = backend === "nft" ? {} : await withoutNft(lab);
    await pingAll(lab.client, [ROUTER_ADDRESS, ROUTER_ADDRESS6]);
    const before = await hostState(lab.client);
    const clear = await ClearTrafficCounter.start(lab.router, LINKS);
    const start = () => startClient(lab, bundle, { args: ["-kill-switch"], env });
    const nothingPasses = async (measure: Measure) => {
      const leakedBefore = await clear.packets();
      await sendOutside(lab);
      const leaked = await clear.packets() - leakedBefore;
      measure("beside the tunnel", leaked, "packets");
      equal(leaked, 0);
    };

    await scenario("without it packets do leave the client", async () => {
      const leakedBefore = await clear.packets();
      await sendOutside(lab);
      ok(await clear.packets() > leakedBefore);
    });

    await scenario("traffic goes through the tunnel, and nowhere else", async (measure) => {
      const client = await start();
      await pingAll(lab.client, FAR_ADDRESSES);
      await pingAll(lab.client, NEIGHBOURS);
      const leakedBefore = await clear.packets();
      for (const address of OUTSIDE) await sendOver(lab, address);
      const leaked = await clear.packets() - leakedBefore;
      measure("beside the tunnel", leaked, "packets");
      equal(leaked, 0);
      equal(await client.stop("SIGINT"), 0);
      deepEqual(await hostState(lab.client), before);
    });

    await scenario("kill -9 leaves it on, and restore lifts it", async (measure) => {
      await (await start()).stop("SIGKILL");
      await nothingPasses(measure);
      match((await restore(lab)).stdout, /undid \d+ changes? left by/);
      deepEqual(await hostState(lab.client), before);
      await pingAll(lab.client, [ROUTER_ADDRESS, ROUTER_ADDRESS6]);
    });

    await scenario("the next start takes it over without a gap", async (measure) => {
      await (await start()).stop("SIGKILL");
      const leakedBefore = await clear.packets();
      const pings = OUTSIDE.map((address) =>
        lab.client.spawn(["ping", "-n", "-i0.02", "-W1", "-w60", address])
      );
      const client = await start();
      for (const ping of pings) await ping.stop("SIGINT");
      const leaked = await clear.packets() - leakedBefore;
      measure("beside the tunnel", leaked, "packets");
      equal(leaked, 0);
      await pingAll(lab.client, FAR_ADDRESSES);
      equal(await client.stop("SIGINT"), 0);
      deepEqual(await hostState(lab.client), before);
    });

    if (backend === "nft") await furtherScenarios(scenario, lab, bundle, before, nothingPasses);
    await server.stop("SIGINT");
  });
}

async function furtherScenarios(
  scenario: Scenario,
  lab: Lab,
  bundle: string,
  before: string,
  nothingPasses: (measure: Measure) => Promise<void>,
): Promise<void> {
  const args = ["-kill-switch"];

  await scenario("it comes back when another program flushes all rules", async (measure) => {
    const client = await startClient(lab, bundle, { args });
    const from = client.lineCount;
    await lab.client.run("nft", "flush", "ruleset");
    await client.waitForLine(/the kill switch: it is back in force/, RECONNECT_TIMEOUT_MS, from);
    await client.stop("SIGKILL");
    await nothingPasses(measure);
    await restore(lab);
    deepEqual(await hostState(lab.client), before);
  });

  await scenario("the client connects again while it is on", async () => {
    const client = await startClient(lab, bundle, { args });
    const from = client.lineCount;
    for (const link of LINKS) await lab.router.run("ip", "link", "set", link, "down");
    await client.waitForLine(/no path answers: asking/, RECONNECT_TIMEOUT_MS, from);
    for (const [index, link] of LINKS.entries()) {
      await lab.router.run("ip", "link", "set", link, "up");
      await lab.router.run(
        ...["ip", "-6", "address", "replace", `fd71:${index + 1}::1/64`, "dev", link, "nodad"],
      );
    }
    await client.waitForLine(
      /connected again as|paths answer again/,
      RECONNECT_TIMEOUT_MS,
      from,
    );
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
    deepEqual(await hostState(lab.client), before);
  });

  await scenario("the session is renewed while it is on", async () => {
    const client = await startClient(lab, bundle, { args: [...args, "-renew-every", "5s"] });
    await client.waitForLine(/session renewed/, RECONNECT_TIMEOUT_MS);
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
    deepEqual(await hostState(lab.client), before);
  });

  await scenario("a first start that fails leaves nothing", async () => {
    const client = spawnClient(lab, bundle, { args: [...args, "-once", "-ctrl", "1"] });
    equal((await ending(client)).exitCode, 1);
    deepEqual(await hostState(lab.client), before);
  });

  await scenario("a start without it lifts it", async () => {
    await (await startClient(lab, bundle, { args })).stop("SIGKILL");
    const client = await startClient(lab, bundle);
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
    deepEqual(await hostState(lab.client), before);
  });

  await scenario("a failure after the client was up leaves it on", async (measure) => {
    const client = await startClient(lab, bundle, { args });
    equal((await cert(lab, "revoke", "laptop")).exitCode, 0);
    const { exitCode, text } = await ending(client);
    equal(exitCode, 1);
    match(text, /the kill switch stays on/);
    await nothingPasses(measure);
    match((await restore(lab)).stdout, /undid \d+ changes? left by/);
    deepEqual(await hostState(lab.client), before);
  });
}

/** Tries to get outside, by the routes there are and over each link, and gets no answer. */
async function sendOutside(lab: Lab): Promise<void> {
  for (const address of OUTSIDE) {
    await lab.client.run("ping", "-c2", "-i0.1", "-W0.3", address).catch(() => {});
    await sendOver(lab, address);
  }
}

/** Past the routes: out of each link's interface, as a program bound to it would. */
async function sendOver(lab: Lab, address: string): Promise<void> {
  for (const link of LINKS) {
    await lab.client.run("ping", "-c2", "-i0.1", "-W0.3", "-I", link, address).catch(() => {});
  }
}

/** An environment whose `nft` loads no rules; it still removes the tables iptables leaves empty. */
async function withoutNft(lab: Lab): Promise<Record<string, string>> {
  const folder = join(lab.directory, "no-nft");
  const { stdout } = await lab.client.run("sh", "-c", "command -v nft");
  await Deno.mkdir(folder);
  await Deno.writeTextFile(
    join(folder, "nft"),
    `#!/bin/sh
test "$1" != -f || { echo "no rules here" >&2; exit 1; }
exec ${stdout.trim()} "$@"
`,
    { mode: 0o755 },
  );
  return { PATH: `${folder}:${Deno.env.get("PATH")}` };
}
