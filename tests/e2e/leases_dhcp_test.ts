/** Links whose addresses, gateways and DNS servers real DHCP clients set while the client runs. */
import { equal, match } from "node:assert/strict";
import { INTERNET_ADDRESS, type Lab, SERVER_ADDRESS } from "../../scripts/lab/lab.ts";
import { newClientCertificate, startServer } from "../../scripts/lab/programs.ts";
import { equalStates } from "../balance/balance_lab.ts";
import { DaemonMachine, until } from "../daemons/daemon_machine.ts";
import { DhcpClient, type DhcpClientKind } from "../daemons/dhcp_client.ts";
import { type Lease, startDhcpServer } from "../daemons/dhcp_server.ts";
import { needsDaemons } from "../daemons/packages.ts";
import { hostState } from "./host_state.ts";
import { cutLink, restoreLink } from "./router_filter.ts";
import { topic } from "./scenario.ts";
import { createSmallLab, FAR_ADDRESSES, LINKS, pingAll } from "./small_lab.ts";

const START_TIMEOUT_MS = 30_000;
const FOLLOW_TIMEOUT_MS = 20_000;
const LINK = "one";
const KINDS: readonly DhcpClientKind[] = ["dhclient", "dhcpcd"];
const HOME = { address: "10.71.1.50", gateway: "10.71.1.1", nameServer: "10.71.1.1" };
const AWAY = { address: "10.71.101.50", gateway: "10.71.101.1", nameServer: "10.71.101.1" };
const needs = await needsDaemons();

for (const kind of KINDS) {
  topic(`e2e leases of ${kind}`, async (scenario) => {
    await using lab = await createSmallLab();
    const machine = await DaemonMachine.create(lab.client, lab.directory);
    const router = await DaemonMachine.create(lab.router, lab.directory);
    await lab.router.run("ip", "address", "add", `${AWAY.gateway}/24`, "dev", LINK);
    const bundle = await newClientCertificate(lab, "laptop");
    const server = await startServer(lab);
    let dhcp = await startDhcpServer(router, LINK, HOME);
    const lease = await DhcpClient.start(machine, kind, LINK);
    const asks = (nameServer: string) =>
      until(`${nameServer} is asked`, async () => {
        const text = await machine.read("/etc/resolv.conf");
        return text.trimEnd().split("\n").some((line) => line === `nameserver ${nameServer}`);
      });
    await asks(HOME.nameServer);
    const state = async () => `${await stateOf(lab)}\n${await machine.resolvConf()}`;
    const before = await state();

    const start = async () => {
      const client = machine.spawnClient(
        ...["-b", "-server", SERVER_ADDRESS, "-ifaces", LINKS.join(","), "-cert", bundle],
        ...["-dns", INTERNET_ADDRESS, "-kill-switch"],
      );
      await client.waitForLine(/fluxify-client is up/, START_TIMEOUT_MS);
      await asks(INTERNET_ADDRESS);
      return client;
    };
    const renew = async () => {
      const from = dhcp.lineCount;
      await lease.renew();
      await dhcp.waitForLine(/DHCPACK/, FOLLOW_TIMEOUT_MS, from);
    };
    const moveTo = async (there: Lease) => {
      await dhcp.stop();
      dhcp = await startDhcpServer(router, LINK, there);
      await lease.renew();
    };
    let client = await start();

    await scenario("a lease is renewed: names are asked for through the tunnel again", async () => {
      const from = client.lineCount;
      await renew();
      await client.waitForLine(
        /another program has written .*resolv\.conf/,
        FOLLOW_TIMEOUT_MS,
        from,
      );
      await asks(INTERNET_ADDRESS);
      await overThisLinkAlone(lab, () => pingAll(lab.client, FAR_ADDRESSES));
    });

    for (const [there, name] of [[AWAY, "another network"], [HOME, "the first one"]] as const) {
      await scenario(`a lease in ${name} is followed`, async () => {
        const from = client.lineCount;
        await moveTo(there);
        await client.waitForLine(new RegExp(`link ${LINK}: path is up`), FOLLOW_TIMEOUT_MS, from);
        match(
          (await machine.run("ip", "route", "show", SERVER_ADDRESS)).stdout,
          new RegExp(`via ${there.gateway} dev ${LINK} proto 77 (src \\S+ )?metric`),
        );
        await overThisLinkAlone(lab, () => pingAll(lab.client, FAR_ADDRESSES));
      });
    }

    await scenario("after a stop all is as the DHCP client has it", async () => {
      equal(await client.stop("SIGINT"), 0);
      await asks(HOME.nameServer);
      equalStates(await state(), before, "in any order");
    });

    await scenario("as it is after kill -9, a renewal, and restore", async () => {
      client = await start();
      await client.stop("SIGKILL");
      await renew();
      await asks(HOME.nameServer);
      match((await machine.restore()).stdout, /undid \d+ changes left by/);
      await asks(HOME.nameServer);
      equalStates(await state(), before, "in any order");
    });
    equal(await server.stop("SIGINT"), 0);
  }, needs);
}

/** Without how long addresses are good for, and a parameter that dhcpcd itself sets. */
async function stateOf({ client }: Lab): Promise<string> {
  return (await hostState(client)).replaceAll(
    /(?:valid|preferred)_lft \S+|^net\.ipv6\.conf\.one\.accept_ra = .*/gm,
    "",
  );
}

async function overThisLinkAlone({ router }: Lab, test: () => Promise<void>): Promise<void> {
  await cutLink(router, "two");
  try {
    await test();
  } finally {
    await restoreLink(router, "two");
  }
}
