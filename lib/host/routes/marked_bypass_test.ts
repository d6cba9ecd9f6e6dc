import { deepEqual, equal, match } from "node:assert/strict";
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
    match((await marked.follow()).notices.join(), /no other way to IPv6/);
    await journal.undoAll();
  },
});
