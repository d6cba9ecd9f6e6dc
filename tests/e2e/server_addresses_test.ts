/** A server with several addresses, of which not all work, and one that moves. */
import { equal, match } from "node:assert/strict";
import { type Lab, SERVER_ADDRESS, SERVER_ADDRESS6 } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startClient, startServer } from "../../scripts/lab/programs.ts";
import { moveServer } from "./moved_server.ts";
import { OwnEtc } from "./own_etc.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, FAR_ADDRESSES, LINKS, pingAll } from "./small_lab.ts";

const STATE_TIMEOUT_MS = 40_000;
const NAME = "vpn.fluxify.example";
const SECOND_ADDRESS = "203.0.113.11";
const NEW_ADDRESS = "203.0.113.77";
const AWAY_MS = 15_000;

topic("e2e addresses of the server", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  await lab.server.run("ip", "address", "add", `${SECOND_ADDRESS}/24`, "dev", "wan");
  await lab.server.sysctl("net.ipv4.conf.all.promote_secondaries", 1);
  for (const address of [SECOND_ADDRESS, NEW_ADDRESS]) {
    await lab.internet.run("ip", "route", "add", `${address}/32`, "via", "198.51.100.1");
  }
  const hosts = [NAME, SERVER_ADDRESS, SERVER_ADDRESS6, SECOND_ADDRESS].join(",");
  let server = await startServer(lab, { args: ["-hosts", hosts] });

  const cases = [
    { closed: SERVER_ADDRESS6, open: SERVER_ADDRESS },
    { closed: SERVER_ADDRESS, open: SERVER_ADDRESS6 },
    { closed: SERVER_ADDRESS, open: SECOND_ADDRESS },
  ];
  for (const engine of ["native", "portable"]) {
    for (const { closed, open } of cases) {
      await scenario(`no UDP to ${closed}: ${open} is used (${engine})`, async (measure) => {
        await blockUdp(lab, "-A", closed);
        const startedMs = performance.now();
        const args = ["-server", `${closed},${open}`, "-engine", engine, "-once"];
        const client = await startClient(lab, bundle, { args });
        measure("up after", performance.now() - startedMs, "ms");
        match(client.output("stderr"), new RegExp(`is up: .* to .*${open}`));
        await pingAll(lab.client, FAR_ADDRESSES);
        equal(await client.stop("SIGINT"), 0);
        await blockUdp(lab, "-D", closed);
      });
    }
  }

  await scenario("no TCP to the first address, and none over the first link", async () => {
    const drop = ["FORWARD", "-i", "one", "-p", "tcp", "--dport", "8443", "-j", "DROP"];
    const refuse = ["FORWARD", "-d", SERVER_ADDRESS, "-p", "tcp", "-j", "REJECT"];
    for (const rule of [drop, refuse]) await lab.router.run("iptables", "-w", "-A", ...rule);
    const args = ["-server", `${SERVER_ADDRESS},${SECOND_ADDRESS}`, "-once"];
    const client = await startClient(lab, bundle, { args });
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
    for (const rule of [drop, refuse]) await lab.router.run("iptables", "-w", "-D", ...rule);
  });

  for (const more of [[], ["-kill-switch"]]) {
    await scenario(`name and server move to another address ${more}`, async (measure) => {
      const etc = await OwnEtc.create(lab, "file", "nameserver 198.51.100.77\noptions timeout:1\n");
      const before = await Deno.readTextFile(etc.path("hosts"));
      const names = (address: string) =>
        Deno.writeTextFile(etc.path("hosts"), `${before}\n${address} ${NAME}\n`);
      await names(SERVER_ADDRESS);
      const args = ["-b", "-ifaces", LINKS.join(","), "-cert", bundle, "-server", NAME];
      const client = etc.spawnClient(...args, ...more);
      await client.waitForLine(/fluxify-client is up/, STATE_TIMEOUT_MS);
      const from = client.lineCount;
      await server.stop("SIGKILL");
      await moveServer(lab, SERVER_ADDRESS, NEW_ADDRESS);
      await names(NEW_ADDRESS);
      server = await startServer(lab, { args: ["-hosts", hosts] });
      const movedMs = performance.now();
      await client.waitForLine(
        new RegExp(`the server has another address: ${NEW_ADDRESS}`),
        STATE_TIMEOUT_MS,
        from,
      );
      await client.waitForLine(/connected again as/, STATE_TIMEOUT_MS, from);
      measure("connected again after", performance.now() - movedMs, "ms");
      await pingAll(lab.client, FAR_ADDRESSES);

      // And back: the old address was kept.
      const back = client.lineCount;
      await server.stop("SIGKILL");
      await moveServer(lab, NEW_ADDRESS, SERVER_ADDRESS);
      server = await startServer(lab, { args: ["-hosts", hosts] });
      await client.waitForLine(/connected again as/, STATE_TIMEOUT_MS, back);
      await pingAll(lab.client, FAR_ADDRESSES);
      equal(await client.stop("SIGINT"), 0);
    });
  }

  await scenario("a server that was away is found soon after it is back", async (measure) => {
    const client = await startClient(lab, bundle);
    const from = client.lineCount;
    await server.stop("SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
    server = await startServer(lab, { args: ["-hosts", hosts] });
    const backMs = performance.now();
    await client.waitForLine(/connected again as/, STATE_TIMEOUT_MS, from);
    measure("connected again after", performance.now() - backMs, "ms");
    await pingAll(lab.client, FAR_ADDRESSES);
    equal(await client.stop("SIGINT"), 0);
  });
  equal(await server.stop("SIGINT"), 0);
});

async function blockUdp({ router }: Lab, verb: "-A" | "-D", address: string): Promise<void> {
  const tables = address.includes(":") ? "ip6tables" : "iptables";
  await router.run(tables, "-w", verb, "FORWARD", "-d", address, "-p", "udp", "-j", "DROP");
}
