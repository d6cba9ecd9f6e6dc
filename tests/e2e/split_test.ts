/**
 * Destinations beside the tunnel (-bypass), and those that alone go into it (-only): the far host of
 * the lab can be reached both ways, and the router counts what comes to it in clear.
 */
import { deepEqual, equal, match } from "node:assert/strict";
import { INTERNET_ADDRESS, INTERNET_ADDRESS6, SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startServer } from "../../scripts/lab/programs.ts";
import { hostState } from "./host_state.ts";
import { OwnEtc } from "./own_etc.ts";
import { ClearTrafficCounter } from "./router_filter.ts";
import { topic } from "./scenario.ts";
import {
  createSmallLab,
  FAR_ADDRESSES,
  LINKS,
  ping,
  pingAll,
  SERVER_INNER,
  SERVER_INNER6,
} from "./small_lab.ts";
import { until } from "../../testing/until.ts";

const STATE_TIMEOUT_MS = 30_000;
const NAME = "site.fluxify.example";
/** Of no host: only the way there is asked. */
const ELSEWHERE = ["203.0.114.1", "2001:db8:99::1"];

topic("e2e destinations beside the tunnel", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab);
  // Back to the client's own addresses, too.
  await lab.internet.run("ip", "route", "add", "10.71.0.0/16", "via", "198.51.100.1");
  await lab.internet.run("ip", "route", "add", "fd71::/16", "via", "2001:db8:51::1");
  const etc = await OwnEtc.create(lab, "file", "nameserver 198.51.100.77\noptions timeout:1\n");
  const hosts = await Deno.readTextFile(etc.path("hosts"));
  const named = (...addresses: string[]) =>
    Deno.writeTextFile(
      etc.path("hosts"),
      [hosts, ...addresses.map((address) => `${address} ${NAME}`), ""].join("\n"),
    );
  await named(INTERNET_ADDRESS, INTERNET_ADDRESS6);
  const before = await hostState(lab.client);
  const clear = await ClearTrafficCounter.start(lab.router, LINKS);
  const args = ["-b", "-ifaces", LINKS.join(","), "-cert", bundle, "-server", SERVER_ADDRESS];
  const ways = async (...addresses: string[]) =>
    await Promise.all(addresses.map(async (address) => {
      const { stdout } = await lab.client.run("ip", "route", "get", address);
      return / dev (\S+)/.exec(stdout)?.[1];
    }));
  const start = async (...more: string[]) => {
    const client = etc.spawnClient(...args, ...more);
    await client.waitForLine(/fluxify-client is up/, STATE_TIMEOUT_MS);
    return client;
  };

  for (const killSwitch of [[], ["-kill-switch"]]) {
    await scenario(
      `-bypass: prefixes and names leave in clear, the rest does not ${killSwitch}`,
      async () => {
        const client = await start("-bypass", `${NAME},203.0.114.0/24`, ...killSwitch);
        match(client.tail(50), /packets to 203\.0\.114\.0\/24, site\..* go outside the tunnel/);
        // The name is looked up once the client is up.
        await untilAway(() => ways(INTERNET_ADDRESS, INTERNET_ADDRESS6));
        await pingAll(lab.client, FAR_ADDRESSES);
        const leaked = await clear.packets();
        equal(leaked >= 2, true, `${leaked} packets in clear, those of two pings at least`);
        deepEqual(await ways(...ELSEWHERE), [LINKS[0], "fluxify"]);
        await pingAll(lab.client, [SERVER_INNER, SERVER_INNER6]);
        equal(await clear.packets(), leaked);
        equal(await client.stop("SIGINT"), 0);
        deepEqual(await hostState(lab.client), before);
      },
    );
  }

  await scenario("-bypass follows the default route, and its rules come back", async () => {
    const client = await start("-bypass", INTERNET_ADDRESS);
    deepEqual(await ways(INTERNET_ADDRESS), [LINKS[0]]);
    await lab.client.run("ip", "link", "set", LINKS[0], "down");
    await untilWay(() => ways(INTERNET_ADDRESS), LINKS[1]);
    await ping(lab.client, INTERNET_ADDRESS);
    await lab.client.run("ip", "link", "set", LINKS[0], "up");
    await untilWay(() => ways(INTERNET_ADDRESS), LINKS[0]);
    await lab.client.run("ip", "rule", "del", "priority", "32304");
    await untilWay(() => ways(INTERNET_ADDRESS), LINKS[0]);
    await client.stop("SIGKILL");
    await etc.run("sh", "-c", "ip rule show | grep -q 32304");
  });

  await scenario("-only: the server's end and the named go into the tunnel", async () => {
    // It undoes what the killed one left.
    const client = await start("-only", `${NAME},203.0.114.0/24`);
    match(
      client.tail(50),
      /only packets to 203\.0\.114\.0\/24, site\..* go through the tunnel/,
    );
    await untilWay(() => ways(INTERNET_ADDRESS, INTERNET_ADDRESS6), "fluxify");
    deepEqual(await ways(ELSEWHERE[0]!, "198.18.9.9"), ["fluxify", LINKS[0]]);
    const earlier = await clear.packets();
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await clear.packets(), earlier);
    equal(await client.stop("SIGINT"), 0);
    await ping(lab.client, INTERNET_ADDRESS);
  });
  equal(await server.stop("SIGINT"), 0);
});

/** Until both ways leave beside the tunnel. */
async function untilAway(ways: () => Promise<(string | undefined)[]>): Promise<void> {
  await untilWay(ways, LINKS[0]);
}

async function untilWay(ways: () => Promise<(string | undefined)[]>, device: string) {
  const leads = async () => (await ways()).every((way) => way === device);
  await until(`all goes to ${device}`, leads, STATE_TIMEOUT_MS);
}
