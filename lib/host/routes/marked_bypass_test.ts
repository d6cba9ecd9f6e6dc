import { deepEqual, equal, match } from "node:assert/strict";
import { until } from "../../../testing/until.ts";
import { runChecked, SystemRunner } from "../command/runner.ts";
import { baseChain, tableText } from "../firewall/own_table.ts";
import { cgroupMount } from "../firewall/cgroup.ts";
import { HostJournal } from "../journal/host_journal.ts";
import { TestMachine } from "../journal/test_machine.ts";
import { parseMark } from "../firewall/traffic_mark.ts";
import { DefaultRoute } from "./default_route.ts";
import { MarkedBypass } from "./marked_bypass.ts";

const needs = { ignore: Deno.uid() !== 0 };
const THERE = ["203.0.113.9", "2001:db8:99::1"];

Deno.test({
  name: "netns: what bears the mark goes over the default routes as they are, and all is undone",
  ...needs,
  async fn() {
    await using machine = await TestMachine.create("marked");
    const before = await machine.snapshot();
    const journal = await machine.openJournal();
    await new DefaultRoute(journal, "tunnel").enable();
    const marked = new MarkedBypass(journal, {
      ...{ tun: "tunnel", cgroups: [], mark: parseMark("0x10/0xf0") },
    });
    const ways = async (...words: string[]) =>
      await Promise.all(THERE.map(async (to) => {
        const text = await machine.namespace.sh(`ip route get ${to} ${words.join(" ")}`);
        return / dev (\S+)/.exec(text)?.[1];
      }));
    const { networks, notices } = await marked.follow();
    deepEqual(notices, []);
    deepEqual(
      new Set(networks.map(({ device, prefix }) => `${device} ${prefix}`)),
      new Set([
        ...["fiber 0.0.0.0/0", "fiber ::/0", "mobile 0.0.0.0/0", "mobile ::/0"],
      ]),
    );
    deepEqual(await ways(), ["tunnel", "tunnel"]);
    deepEqual(await ways("mark", "0x15"), ["fiber", "fiber"]);
    deepEqual(await ways("mark", "0x20"), ["tunnel", "tunnel"]);

    // A link goes, another program takes our rules and our table.
    await machine.namespace.sh(`
      ip route del default dev fiber
      ip rule del priority 32306
    `);
    await marked.follow();
    equal((await ways("mark", "0x10"))[0], "mobile");
    await machine.namespace.sh("ip route add default via 192.0.2.1 dev fiber");
    await marked.follow();
    equal((await ways("mark", "0x10"))[0], "fiber");
    match(await machine.namespace.sh("nft list table inet fluxify_beside_tunnel"), /masquerade/);
    equal(marked.hasOtherCgroups(), false);
    await journal.undoAll();
    deepEqual(await machine.snapshot(), before);
  },
});

/** Null where the machine has none: then what is said of that is tried alone. */
const mount = (() => {
  try {
    return cgroupMount();
  } catch {
    return null;
  }
})();

Deno.test({
  name: "netns: programs of a cgroup leave over the link, with its address, and no others",
  ignore: needs.ignore || mount === null,
  async fn() {
    await using machine = await TestMachine.create("marked");
    const { namespace } = machine;
    const path = `fluxify-test-${Deno.pid}`;
    const folder = `${mount!.root}/${path}`;
    await using _cgroup = { [Symbol.asyncDispose]: () => Deno.remove(folder).catch(() => {}) };
    // `ip netns exec` shows another /sys, where nft would find no cgroup.
    const within = ["nsenter", `--net=/run/netns/${namespace.name}`];
    const runner = new SystemRunner();
    const journal = await HostJournal.open({
      program: "fluxify-test",
      runner: { run: (argv, options) => runner.run([...within, ...argv], options) },
      sysctl: machine.sysctl,
      directory: machine.directory.path,
    });
    const before = await machine.snapshot();
    await new DefaultRoute(journal, "tunnel").enable();
    const marked = new MarkedBypass(journal, { tun: "tunnel", mark: null, cgroups: [path] });
    match((await marked.follow()).notices.join(), /no cgroup .* yet/);

    const counters = ["ip saddr 192.0.2.10", "ip6 saddr 2001:db8:1::10"]
      .map((source) => `oifname "fiber" ${source} udp dport 9 counter`);
    const chain = baseChain("post", "filter hook postrouting priority 200", counters);
    await runChecked(namespace, ["nft", "-f", "-"], {
      input: tableText(["inet", "watch"], [chain]),
    });
    const seen = async () => {
      const { stdout } = await namespace.run(["nft", "list", "table", "inet", "watch"]);
      return [...stdout.matchAll(/counter packets (\d+)/g)].map(([, packets]) => Number(packets));
    };
    const send = async (first: string) => {
      const all = THERE.map((to) => `echo x > /dev/udp/${to}/9`).join("; ");
      await runner.run(["bash", "-c", `${first}; exec ${within.join(" ")} bash -c '${all}'`]);
    };
    const join = `echo $$ > ${folder}/cgroup.procs`;
    for (let made = 1; made <= 2; made++) {
      await Deno.mkdir(folder);
      equal(marked.hasOtherCgroups(), true, "made anew, it is another one");
      deepEqual((await marked.follow()).notices, []);
      await send("true");
      deepEqual(await seen(), [made - 1, made - 1], "in the tunnel");
      await send(join);
      deepEqual(await seen(), [made, made]);
      await until("nobody is in it", () => Deno.remove(folder).then(() => true, () => false));
    }
    await namespace.sh("nft delete table inet watch");
    deepEqual(await journal.undoAll(), []);
    equal(await machine.snapshot(), before);
  },
});

Deno.test({
  name: "netns: without a default route of a family it is said",
  ...needs,
  async fn() {
    await using machine = await TestMachine.create("marked");
    const journal = await machine.openJournal();
    await machine.namespace.sh(
      "ip -6 route flush default",
    );
    const marked = new MarkedBypass(journal, { tun: "tunnel", cgroups: [], mark: parseMark("7") });
    match((await marked.follow()).notices.join(), /no IPv6 route outside the tunnel/);
    await journal.undoAll();
  },
});
