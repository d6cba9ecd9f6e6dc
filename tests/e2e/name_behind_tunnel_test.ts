/** The server moves while DNS, all of it, is behind the tunnel: its name is asked for over the links. */
import { equal } from "node:assert/strict";
import { join } from "node:path";
import { INTERNET_ADDRESS, SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startServer } from "../../scripts/lab/programs.ts";
import { moveServer } from "./moved_server.ts";
import { OwnEtc } from "./own_etc.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, FAR_ADDRESSES, LINKS, pingAll, SERVER_INNER } from "./small_lab.ts";

const STATE_TIMEOUT_MS = 40_000;
const NAME = "vpn.fluxify.example";
const NEW_ADDRESS = "203.0.113.77";
const NAME_SERVER_PROGRAM = new URL("name_server_program.ts", import.meta.url).pathname;

topic("e2e the server's name behind the tunnel", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  await lab.server.sysctl("net.ipv4.conf.all.promote_secondaries", 1);
  await lab.internet.run("ip", "route", "add", `${NEW_ADDRESS}/32`, "via", "198.51.100.1");
  await lab.internet.run("ip", "route", "add", "10.71.0.0/16", "via", "198.51.100.1");
  const hosts = [NAME, SERVER_ADDRESS].join(",");
  let server = await startServer(lab, { args: ["-hosts", hosts] });
  // The name server is far away: all there is between is the tunnel, or the links.
  const addressFile = join(lab.directory, "address");
  await Deno.writeTextFile(addressFile, SERVER_ADDRESS);
  const nameServer = lab.internet.spawn([
    ...[Deno.execPath(), "run", "-A", "--quiet", NAME_SERVER_PROGRAM],
    ...[INTERNET_ADDRESS, NAME, addressFile],
  ]);
  await nameServer.waitForLine(/ready/, STATE_TIMEOUT_MS);
  const options = [
    [],
    ["-kill-switch"],
    ["-kill-switch", "-dns", SERVER_INNER],
    ["-engine", "portable", "-dns", SERVER_INNER],
  ];
  for (const more of options) {
    const what = `DNS is behind the dead tunnel and the server moves ${more.join(" ")}`;
    await scenario(what, async (measure) => {
      const resolvConf = `nameserver ${INTERNET_ADDRESS}\noptions timeout:1\n`;
      const etc = await OwnEtc.create(lab, "file", resolvConf);
      const args = ["-b", "-ifaces", LINKS.join(","), "-cert", bundle, "-server", NAME, ...more];
      const client = etc.spawnClient(...args);
      await client.waitForLine(/fluxify-client is up/, STATE_TIMEOUT_MS);
      const from = client.lineCount;
      await server.stop("SIGKILL");
      await moveServer(lab, SERVER_ADDRESS, NEW_ADDRESS);
      await Deno.writeTextFile(addressFile, NEW_ADDRESS);
      const asked = nameServer.lineCount;
      server = await startServer(lab, { args: ["-hosts", hosts] });
      const movedMs = performance.now();
      await client.waitForLine(/connected again as/, STATE_TIMEOUT_MS, from);
      measure("connected again after", performance.now() - movedMs, "ms");
      await nameServer.waitForLine(/asked A \S+ by 10\.71\./, STATE_TIMEOUT_MS, asked);
      await pingAll(lab.client, FAR_ADDRESSES);
      equal(await client.stop("SIGINT"), 0);
      await server.stop("SIGKILL");
      await moveServer(lab, NEW_ADDRESS, SERVER_ADDRESS);
      await Deno.writeTextFile(addressFile, SERVER_ADDRESS);
      server = await startServer(lab, { args: ["-hosts", hosts] });
    });
  }
  await nameServer.stop("SIGKILL");
  equal(await server.stop("SIGINT"), 0);
});
