import { deepEqual, equal } from "node:assert/strict";
import { HostJournal } from "../journal/host_journal.ts";
import { TestDirectory } from "../journal/test_directory.ts";
import { CommandSysctl } from "../../../testing/command_sysctl.ts";
import { TestCrossing, untilAll } from "./test_crossing.ts";
import { BACKENDS } from "./test_journal.ts";
import { TunnelShare } from "./tunnel_share.ts";

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
      equal((await new TunnelShare(journal, "wan", "off").start()).isShared, false);
      deepEqual(await reaches(), [false, false]);
      deepEqual(await new TunnelShare(journal, "wan", "auto").start(), {
        isShared: true,
        notices: [],
      });
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
    equal((await new TunnelShare(journal, "wan", "auto").start()).isShared, false);
    equal(await router.snapshot(), before);
    equal((await new TunnelShare(journal, "wan", "on").start()).isShared, true);
    equal(await journal.sysctl.read("net/ipv4/ip_forward"), "1");
    deepEqual(await journal.undoAll(), []);
    equal(await router.snapshot(), before);
  },
});

Deno.test({
  name: "netns: a named network alone is shared, and what the server routes leaves as it is",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using crossing = await TestCrossing.create();
    await using directory = await TestDirectory.create();
    const { server: router, internet } = crossing;
    await internet.sh("ip route del 10.9.0.0/24\nip -6 route del fd00:9::/64");
    // Hosts that hear no ICMP would stall with segments of 1460 bytes.
    await router.namespace.sh(`
      ip link set srv mtu 1500
      ip link set wan mtu 1400
      sysctl -q -w net.ipv4.ip_forward=0
      sysctl -q -w net.ipv6.conf.all.forwarding=0
    `);
    const before = await router.snapshot();
    const open = () =>
      HostJournal.open({
        program: "t",
        runner: router.namespace,
        sysctl: new CommandSysctl(router.namespace),
        directory: directory.path,
      });
    let journal = await open();
    const reaches = async () => [await crossing.reaches("v4"), await crossing.reaches("v6")];
    const other = new TunnelShare(journal, "wan", ["fiber"]);
    deepEqual(await other.start(), { isShared: true, notices: [] });
    deepEqual(await reaches(), [false, false], "of another network");
    deepEqual(await journal.undoAll(), []);
    equal(await router.snapshot(), before);

    journal = await open();
    const share = new TunnelShare(journal, "wan", ["srv", "fiber"]);
    deepEqual(await share.start(), { isShared: true, notices: [] });
    await untilAll(reaches);
    equal(await crossing.mssSeenBy("client", "v4") <= 1360, true);
    deepEqual(await share.follow(["10.9.0.0/24", "fd00:9::/64"]), []);
    deepEqual(await share.follow(["10.9.0.0/24", "fd00:9::/64"]), []);
    deepEqual(await reaches(), [false, false], "the far end knows no way back to these sources");
    await internet.sh(`
      ip route add 10.9.0.0/24 via 203.0.113.1
      ip -6 route add fd00:9::/64 via 2001:db8:7::1
    `);
    await untilAll(reaches);
    await untilAll(async () => [await crossing.isReached("v4"), await crossing.isReached("v6")]);
    await internet.sh("ip route del 10.9.0.0/24\nip -6 route del fd00:9::/64");
    deepEqual(await share.follow([]), []);
    await untilAll(reaches);
    deepEqual(await journal.undoAll(), []);
    equal(await router.snapshot(), before);
  },
});

Deno.test({
  name: "netns: an interface that is not there is said, and no other",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using crossing = await TestCrossing.create();
    await using directory = await TestDirectory.create();
    const { server: router } = crossing;
    const journal = await HostJournal.open({
      program: "t",
      runner: router.namespace,
      sysctl: new CommandSysctl(router.namespace),
      directory: directory.path,
    });
    const { isShared, notices } = await new TunnelShare(journal, "wan", ["nosuch", "wan"]).start();
    equal(isShared, true);
    deepEqual(notices.filter((line) => line.startsWith("-share")), [
      "-share names nosuch, and this machine has no such interface now: what is behind it uses the " +
      "tunnel once it is there",
    ]);
    deepEqual(await journal.undoAll(), []);
  },
});
