/**
 * An uplink whose address and gateways real DHCP clients and router advertisements set while the
 * connections are spread.
 */
import { equal, match, ok } from "node:assert/strict";
import { startAdvertiser } from "../daemons/advertiser.ts";
import { DaemonMachine, until } from "../daemons/daemon_machine.ts";
import { DhcpClient, type DhcpClientKind } from "../daemons/dhcp_client.ts";
import { type Lease, startDhcpServer } from "../daemons/dhcp_server.ts";
import { needsDaemons } from "../daemons/packages.ts";
import { BalanceLab, equalStates } from "./balance_lab.ts";

const FOLLOW_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 10_000;
const KINDS: readonly DhcpClientKind[] = ["dhclient", "dhcpcd"];
const HOME = { address: "10.1.0.2", gateway: "10.1.0.1", nameServer: "10.1.0.1" };
const AWAY = { address: "10.1.5.50", gateway: "10.1.5.1", nameServer: "10.1.5.1" };
const needs = await needsDaemons();

for (const kind of KINDS) {
  Deno.test({
    name:
      `netns: an uplink with leases of ${kind} stays in use, and all is as it has it afterwards`,
    ...needs,
    fn: async () => {
      await using lab = await BalanceLab.create();
      const machine = await DaemonMachine.create(lab.machine, lab.directory);
      const router = await DaemonMachine.create(lab.routers.wan1, lab.directory);
      await lab.routers.wan1.run("ip", "address", "add", `${AWAY.gateway}/24`, "dev", "lan");
      await lab.server.run("ip", "route", "add", "10.1.5.0/24", "via", "10.101.0.1");
      let dhcp = await startDhcpServer(router, "lan", HOME);
      const lease = await DhcpClient.start(machine, kind, "wan1");
      const isOver = ({ gateway }: Lease) =>
        until(`a default route over ${gateway}`, async () => {
          const { stdout } = await machine.run("ip", "-4", "route", "show", "table", "all");
          return stdout.includes(`default via ${gateway} dev wan1`);
        });
      await isOver(HOME);
      // dhcpcd sets these when it asks anew.
      const state = async () =>
        (await lab.state()).replaceAll(/^.*wan1\.(?:accept_ra|addr_gen_mode) = .*$/gm, "");
      const before = await state();
      const moveTo = async (there: Lease) => {
        await dhcp.stop();
        dhcp = await startDhcpServer(router, "lan", there);
        await lease.renew();
      };

      let client = await lab.start("-weights", "wan1=1,wan2=1");
      for (const there of [AWAY, HOME]) {
        await moveTo(there);
        const isSpread = new RegExp(
          `nexthop via ${there.gateway.replaceAll(".", "\\.")} dev wan1 weight 1 `,
        );
        await until(
          "both uplinks are in use",
          async () => isSpread.test((await machine.run("ip", "route")).stdout),
          FOLLOW_TIMEOUT_MS,
        );
        const seen = await lab.sources(lab.machine, 4, 40);
        ok((seen[there.address] ?? 0) > 0 && (seen["10.2.0.2"] ?? 0) > 0, JSON.stringify(seen));
      }
      equal(await client.stop("SIGTERM", STOP_TIMEOUT_MS), 0);
      equalStates(await state(), before, "in any order");

      client = await lab.start();
      await client.stop("SIGKILL");
      const from = dhcp.lineCount;
      await lease.renew();
      await dhcp.waitForLine(/DHCPACK/, FOLLOW_TIMEOUT_MS, from);
      match((await lab.restore()).stdout, /undid \d+ changes left by/);
      equalStates(await state(), before, "in any order");
    },
  });
}

Deno.test({
  name: "netns: an uplink follows the routers that advertise themselves on it",
  ...needs,
  fn: async () => {
    await using lab = await BalanceLab.create();
    const machine = await DaemonMachine.create(lab.machine, lab.directory);
    const router = await DaemonMachine.create(lab.routers.wan1, lab.directory);
    const shown = async (...words: string[]) => (await machine.run("ip", "-6", ...words)).stdout;
    // A machine that forwards hears them only when it is told to.
    await lab.machine.sysctl("net.ipv6.conf.wan1.accept_ra", 2);
    await machine.run("ip", "-6", "route", "del", "default", "dev", "wan1");
    let radvd = await startAdvertiser(router, "lan", { prefixes: ["fd01::/64"] });
    await until(
      "a gateway by an advertisement",
      async () => (await shown("route", "show", "default", "dev", "wan1")).includes("proto ra"),
    );
    const client = await lab.start("-weights", "wan1=1,wan2=1");
    const isOver = (gateway: string) =>
      until(`connections go over ${gateway} too`, async () => {
        const [, own = ""] =
          /^default proto 77.*((?:\n\s+nexthop.*)+)/m.exec(await shown("route")) ??
            [];
        return own.includes(`via ${gateway} dev wan1`) && own.includes("dev wan2");
      }, FOLLOW_TIMEOUT_MS);
    const addresses =
      (await lab.routers.wan1.run("ip", "-6", "-o", "address", "show", "dev", "lan"))
        .stdout;
    const [, own = ""] = /inet6 (fe80\S+)\/64/.exec(addresses) ?? [];
    await isOver(own);

    await radvd.stop();
    await lab.routers.wan1.run("ip", "address", "add", "fe80::99/64", "dev", "lan", "nodad");
    await lab.routers.wan1.run("ip", "address", "del", `${own}/64`, "dev", "lan");
    radvd = await startAdvertiser(router, "lan", { prefixes: ["fd01::/64"] });
    await isOver("fe80::99");
    const seen = await lab.sources(lab.machine, 6, 40);
    ok((seen["fd02::2"] ?? 0) > 0 && Object.keys(seen).length > 1, JSON.stringify(seen));

    // The router says that it is none any more: the other uplink has all.
    await radvd.stop();
    await until(
      "wan1 is left",
      async () => /^default via fd02::1 dev wan2 proto 77/m.test(await shown("route")),
      FOLLOW_TIMEOUT_MS,
    );
    equal(await client.stop("SIGTERM", STOP_TIMEOUT_MS), 0);
    equal((await shown("route")).includes("proto 77"), false);
    equal((await shown("rule")).includes("proto 77"), false);
  },
});
