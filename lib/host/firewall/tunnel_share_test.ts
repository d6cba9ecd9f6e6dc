import { deepEqual, equal } from "node:assert/strict";
import { HostJournal } from "../journal/host_journal.ts";
import { TestDirectory } from "../journal/test_directory.ts";
import { CommandSysctl } from "../../../testing/command_sysctl.ts";
import { TestCrossing, untilAll } from "./test_crossing.ts";
import { BACKENDS } from "./test_journal.ts";
import { shareTunnel } from "./tunnel_share.ts";

for (const [name, wrap] of Object.entries(BACKENDS)) {
  Deno.test({
    name: `netns: what a router forwards leaves with its own address (${name})`,
    ignore: Deno.uid() !== 0,
    async fn() {
      await using crossing = await TestCrossing.create();
      await using directory = await TestDirectory.create();
      const { client, server: router, internet } = crossing;
      // "wan" stands for the tunnel, and the far end knows no way to the network behind it.
      await internet.sh("ip route del 10.9.0.0/24\nip -6 route del fd00:9::/64");
      const reaches = async () => [await crossing.reaches("v4"), await crossing.reaches("v6")];
      const journal = await HostJournal.open({
        program: "t",
        runner: wrap(router.namespace),
        sysctl: new CommandSysctl(router.namespace),
        directory: directory.path,
      });
      const before = await router.snapshot();
      deepEqual(await reaches(), [false, false]);
      equal((await shareTunnel(journal, "wan", "off")).isShared, false);
      deepEqual(await reaches(), [false, false]);
      deepEqual(await shareTunnel(journal, "wan", "auto"), { isShared: true, notices: [] });
      // The first packet waits for its neighbour to be found.
      await untilAll(reaches);
      deepEqual(await journal.undoAll(), []);
      equal(await router.snapshot(), before);
      await client.sh("ip neigh flush all");
    },
  });
}

Deno.test({
  name: "netns: a machine that does not forward is no router, unless told",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using crossing = await TestCrossing.create();
    await using directory = await TestDirectory.create();
    const { server: router } = crossing;
    await router.namespace.sh(`
      sysctl -q -w net.ipv4.ip_forward=0
      sysctl -q -w net.ipv6.conf.all.forwarding=0
    `);
    const before = await router.snapshot();
    const journal = await HostJournal.open({
      program: "t",
      runner: router.namespace,
      sysctl: new CommandSysctl(router.namespace),
      directory: directory.path,
    });
    equal((await shareTunnel(journal, "wan", "auto")).isShared, false);
    equal(await router.snapshot(), before);
    equal((await shareTunnel(journal, "wan", "on")).isShared, true);
    equal(await journal.sysctl.read("net/ipv4/ip_forward"), "1");
    deepEqual(await journal.undoAll(), []);
    equal(await router.snapshot(), before);
  },
});
