/** Links whose IPv6 addresses and gateways come from the advertisements of a real router. */
import { doesNotMatch, equal, match } from "node:assert/strict";
import { SERVER_ADDRESS6 } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startServer } from "../../scripts/lab/programs.ts";
import { startAdvertiser } from "../daemons/advertiser.ts";
import { DaemonMachine, until } from "../daemons/daemon_machine.ts";
import { needsDaemons } from "../daemons/packages.ts";
import { hostState } from "./host_state.ts";
import { cutLink, restoreLink } from "./router_filter.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, FAR_ADDRESSES, LINKS, pingAll } from "./small_lab.ts";

const START_TIMEOUT_MS = 30_000;
const FOLLOW_TIMEOUT_MS = 20_000;
const LINK = "one";
const FIRST = "fd71:1::/64";
const SECOND = "fd71:77::/64";
const isUp = new RegExp(`link ${LINK}: path is up`);

topic("e2e router advertisements", async (scenario) => {
  await using lab = await createSmallLab();
  const machine = await DaemonMachine.create(lab.client, lab.directory);
  const router = await DaemonMachine.create(lab.router, lab.directory);
  const shown = async (...words: string[]) => (await machine.run("ip", "-6", ...words)).stdout;
  await lab.router.run("ip", "address", "add", "fd71:77::1/64", "dev", LINK, "nodad");
  await machine.run("ip", "-6", "address", "flush", "dev", LINK, "scope", "global");
  await machine.run("ip", "-6", "route", "del", "default", "dev", LINK);
  let radvd = await startAdvertiser(router, LINK, { prefixes: [FIRST] });
  await until(
    "a gateway by an advertisement",
    async () => /dev one proto ra/.test(await shown("route", "show", "default")),
  );
  const bundle = await newClientCertificate(lab, "laptop");
  const server = await startServer(lab, { args: ["-hosts", SERVER_ADDRESS6] });
  const client = machine.spawnClient(
    ...["-b", "-server", SERVER_ADDRESS6, "-ifaces", LINKS.join(","), "-cert", bundle],
    "-kill-switch",
  );
  await client.waitForLine(/fluxify-client is up/, START_TIMEOUT_MS);
  await client.waitForLine(isUp, START_TIMEOUT_MS);
  const overThisLinkAlone = async () => {
    await cutLink(lab.router, "two");
    await pingAll(lab.client, FAR_ADDRESSES);
    await restoreLink(lab.router, "two");
  };

  await scenario("another router is followed", async () => {
    const from = client.lineCount;
    await radvd.stop();
    const addresses =
      (await lab.router.run("ip", "-6", "-o", "address", "show", "dev", LINK)).stdout;
    const [, own = ""] = /inet6 (fe80\S+)/.exec(addresses) ?? [];
    await lab.router.run("ip", "address", "add", "fe80::99/64", "dev", LINK, "nodad");
    await lab.router.run("ip", "address", "del", own, "dev", LINK);
    radvd = await startAdvertiser(router, LINK, { prefixes: [FIRST] });
    await client.waitForLine(isUp, FOLLOW_TIMEOUT_MS, from);
    match(
      await shown("route", "show", SERVER_ADDRESS6),
      /via fe80::99 dev one proto 77 metric 10 /,
    );
    await overThisLinkAlone();
  });

  await scenario("another prefix is followed, though addresses of the old one stay", async () => {
    const from = client.lineCount;
    await radvd.stop("SIGKILL"); // it does not withdraw the router
    // The provider carries the new prefix only.
    await lab.router.run("ip6tables", "-w", "-F", "FORWARD");
    await lab.router.run(
      ...["ip6tables", "-w", "-A", "FORWARD", "-i", LINK, "!", "-s", SECOND, "-j", "DROP"],
    );
    radvd = await startAdvertiser(router, LINK, { prefixes: [SECOND], deprecated: [FIRST] });
    await until(
      "the old address is given up",
      async () =>
        /fd71:1:\S+ scope global deprecated/.test(await shown("address", "show", "dev", LINK)),
    );
    await client.waitForLine(isUp, FOLLOW_TIMEOUT_MS, from);
    await overThisLinkAlone();
  });

  await scenario("a stop leaves nothing behind", async () => {
    equal(await client.stop("SIGINT"), 0);
    doesNotMatch(await hostState(lab.client), /fluxify|2001:db8:113::10|proto 77/);
    match(await shown("route", "show", "default"), /via fe80::99 dev one proto ra/);
  });
  equal(await server.stop("SIGINT"), 0);
}, await needsDaemons());
