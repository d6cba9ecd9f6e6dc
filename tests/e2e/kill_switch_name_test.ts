import { equal, match } from "node:assert/strict";
import { SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import { newClientCertificate, program, startServer } from "../../scripts/lab/programs.ts";
import { OwnEtc } from "./own_etc.ts";
import { ClearTrafficCounter } from "./router_filter.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, ending, FAR_ADDRESSES, LINKS, pingAll } from "./small_lab.ts";

const START_TIMEOUT_MS = 30_000;
const NAME = "vpn.fluxify.example";

topic("e2e kill switch and a server given by name", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab, { args: ["-hosts", `${NAME},${SERVER_ADDRESS}`] });
  // Behind the router, where the kill switch lets nothing go.
  const etc = await OwnEtc.create(lab, "file", "nameserver 198.51.100.77\noptions timeout:1\n");
  const hosts = await Deno.readTextFile(etc.path("hosts"));
  await Deno.writeTextFile(etc.path("hosts"), `${hosts}\n${SERVER_ADDRESS} ${NAME}\n`);
  const args = ["-b", "-ifaces", LINKS.join(","), "-cert", bundle, "-kill-switch"];
  const first = etc.spawnClient(...args, "-server", NAME);
  await first.waitForLine(/fluxify-client is up/, START_TIMEOUT_MS);
  await first.stop("SIGKILL");
  await Deno.writeTextFile(etc.path("hosts"), hosts);
  const clear = await ClearTrafficCounter.start(lab.router, LINKS);

  await scenario("after a crash another name is not found, and the way out is told", async () => {
    const { exitCode, text } = await ending(
      etc.spawnClient(...args, "-once", "-server", `not-${NAME}`),
    );
    equal(exitCode, 1);
    match(text, /kill switch of an earlier run is on/);
    match(text, /the kill switch stays on/);
    equal(await clear.packets(), 0);
  });

  await scenario("the same name leads to the addresses known from before", async (measure) => {
    const client = etc.spawnClient(...args, "-server", NAME);
    await client.waitForLine(/fluxify-client is up/, START_TIMEOUT_MS);
    match(client.tail(50), /using the addresses known from before/);
    await pingAll(lab.client, FAR_ADDRESSES);
    measure("beside the tunnel", await clear.packets(), "packets");
    equal(await clear.packets(), 0);
    equal(await client.stop("SIGINT"), 0);
    match((await etc.run(...program("client"), "restore")).stdout, /nothing to restore/);
  });
  equal(await server.stop("SIGINT"), 0);
});
