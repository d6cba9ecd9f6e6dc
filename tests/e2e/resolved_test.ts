/** `-dns` on a machine that asks systemd-resolved, with the real one. */
import { doesNotMatch, equal, match } from "node:assert/strict";
import { INTERNET_ADDRESS, SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startServer } from "../../scripts/lab/programs.ts";
import { DaemonMachine } from "../daemons/daemon_machine.ts";
import { startNameServer } from "../daemons/name_server.ts";
import { needsDaemons } from "../daemons/packages.ts";
import { hostState } from "./host_state.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, LINKS } from "./small_lab.ts";

const START_TIMEOUT_MS = 30_000;
/** What the link's own DNS server and the one behind the tunnel answer. */
const BY_LINK = "192.0.2.1";
const BY_TUNNEL = "192.0.2.2";
const LINK_DNS = "10.71.1.1";

topic("e2e DNS by systemd-resolved", async (scenario) => {
  await using lab = await createSmallLab();
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab);
  const machine = await DaemonMachine.create(lab.client, lab.directory);
  const router = await DaemonMachine.create(lab.router, lab.directory);
  const internet = await DaemonMachine.create(lab.internet, lab.directory);
  await startNameServer(router, BY_LINK);
  const asked = await startNameServer(internet, BY_TUNNEL);
  const resolved = await machine.startResolved();
  // As a network manager does when it has a lease.
  await machine.run("resolvectl", "dns", "one", LINK_DNS);
  await machine.run("resolvectl", "domain", "one", "lan");
  const before = await resolved.state();
  const beforeHost = await hostState(lab.client);

  const start = async (...args: string[]) => {
    const client = machine.spawnClient(
      ...["-b", "-server", SERVER_ADDRESS, "-ifaces", LINKS.join(","), "-cert", bundle],
      ...["-dns", INTERNET_ADDRESS, ...args],
    );
    await client.waitForLine(/DNS servers: .* \(set in .*systemd-resolved\)/, START_TIMEOUT_MS);
    await client.waitForLine(/fluxify-client is up/, START_TIMEOUT_MS);
    return client;
  };
  const lookUp = async (name: string) => (await machine.run("getent", "hosts", name)).stdout;
  const asBefore = async () => {
    equal(await resolved.state(), before);
    equal(await hostState(lab.client), beforeHost);
    equal(await machine.resolvConf(), "link to ../run/systemd/resolve/stub-resolv.conf");
    match(await lookUp("after.example"), new RegExp(`^${BY_LINK} `));
  };

  for (const args of [[], ["-kill-switch"]]) {
    const how = ["-dns", ...args].join(" ");
    await scenario(`${how}: names are asked for through the tunnel, until the stop`, async () => {
      match(await lookUp("before.example"), new RegExp(`^${BY_LINK} `));
      const client = await start(...args);
      match(await lookUp("during.example"), new RegExp(`^${BY_TUNNEL} `));
      await asked.waitForLine(/query\[A\] during\.example/, START_TIMEOUT_MS);
      // A link's own domain stays the link's: docs/security.md.
      match(await lookUp("printer.lan"), new RegExp(`^${BY_LINK} `));
      equal(await client.stop("SIGINT"), 0);
      await asBefore();
    });

    await scenario(`${how}: all is as before after kill -9 and restore`, async () => {
      await (await start(...args)).stop("SIGKILL");
      match((await machine.restore()).stdout, /undid \d+ changes left by/);
      await asBefore();
    });
  }

  await scenario("systemd-resolved may be started again, or killed", async () => {
    const client = await start();
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      await resolved.stop(signal);
      await resolved.start();
      match(await lookUp(`${signal.toLowerCase()}.example`), new RegExp(`^${BY_TUNNEL} `));
    }
    equal(await client.stop("SIGINT"), 0);
    await asBefore();
  });

  await scenario("programs sent to another server ask ours, and are sent there again", async () => {
    const theirs = `nameserver ${LINK_DNS}\n`;
    const client = await start();
    await Deno.remove(machine.path("/etc/resolv.conf"));
    await machine.write("/etc/resolv.conf", theirs);
    await client.waitForLine(/another program has written/, START_TIMEOUT_MS);
    match(await lookUp("moved.example"), new RegExp(`^${BY_TUNNEL} `));
    equal(await client.stop("SIGINT"), 0);
    equal(await machine.read("/etc/resolv.conf"), theirs);
    await machine.sendToStub();
    // It has taken over what that file said.
    await resolved.stop();
    await resolved.start();
    await asBefore();
  });

  await scenario(
    "nor do programs whose C library asks systemd-resolved itself, ask others",
    async () => {
      const [theirs, nsswitch] = [
        `nameserver ${LINK_DNS}\n`,
        await machine.read("/etc/nsswitch.conf"),
      ];
      await Deno.remove(machine.path("/etc/resolv.conf"));
      await machine.write("/etc/resolv.conf", theirs);
      await machine.write("/etc/nsswitch.conf", "hosts: files resolve [!UNAVAIL=return] dns\n");
      match(await lookUp("before.nss.example"), new RegExp(`^${BY_LINK} `));
      const client = await start();
      for (const name of ["a", "b", "c", "d"]) {
        match(await lookUp(`${name}.nss.example`), new RegExp(`^${BY_TUNNEL} `));
      }
      equal(await client.stop("SIGINT"), 0);
      equal(await machine.read("/etc/resolv.conf"), theirs);
      match(await lookUp("after.nss.example"), new RegExp(`^${BY_LINK} `));
      await machine.write("/etc/nsswitch.conf", nsswitch);
      await machine.sendToStub();
      await resolved.stop();
      await resolved.start();
      await asBefore();
    },
  );

  await scenario("a systemd-resolved that has ended has nothing to put back", async () => {
    const client = await start();
    await resolved.stop();
    equal(await client.stop("SIGINT"), 0);
    doesNotMatch(client.tail(), /error|not all is as before/);
    equal((await machine.restore()).stdout.includes("undid"), false);
    await resolved.start();
    await asBefore();
  });
  equal(await server.stop("SIGINT"), 0);
}, await needsDaemons());
