import { deepEqual, equal, match } from "node:assert/strict";
import { TestMachine } from "../journal/test_machine.ts";
import { DefaultRoute } from "./default_route.ts";
import { TunnelLeaks } from "./tunnel_leaks.ts";

const SERVERS = ["203.0.113.7", "2001:db8:7::7"];

async function createMachine() {
  const machine = await TestMachine.create("leaks");
  await new DefaultRoute(await machine.openJournal(), "tunnel").enable();
  const look = (killSwitch = false) => {
    const options = {
      tun: "tunnel",
      serverAddresses: () => SERVERS,
      killSwitch,
      bypassed: () => [],
    };
    return new TunnelLeaks(machine.namespace, options);
  };
  return { machine, look };
}

Deno.test({
  name: "netns: TunnelLeaks names a policy rule that takes the traffic, in both families",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    const { machine, look } = await createMachine();
    await using _machine = machine;
    const leaks = look();
    deepEqual(await leaks.look(), []);
    const ways = [["-4", "192.0.2.1"], ["-6", "2001:db8:1::9"]] as const;
    for (const [family, gateway] of ways) {
      await machine.namespace.sh(`
        ip ${family} route add default via ${gateway} dev fiber table 100
        ip ${family} rule add pref 2000 from all lookup 100
      `);
      const [line, ...rest] = await leaks.look();
      match(line!, RegExp(`IPv${family.slice(1)} traffic goes to fiber by the routing table 100`));
      deepEqual(rest, []);
      deepEqual(await leaks.look(), [], "said once");
      equal((await look(true).look()).length, 1, "the kill switch would drop it in silence");

      await machine.namespace.sh(`ip ${family} rule del pref 2000`);
      deepEqual(await leaks.look(), []);
      await machine.namespace.sh(`ip ${family} rule add pref 2000 unreachable`);
      match((await leaks.look()).join(), /traffic goes nowhere, not into the tunnel/);
      await machine.namespace.sh(`ip ${family} rule del pref 2000`);
      deepEqual(await leaks.look(), []);
    }
  },
});

Deno.test({
  name: "netns: TunnelLeaks names rules for one user, mark, port or source that take traffic",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    const { machine, look } = await createMachine();
    await using _machine = machine;
    const leaks = look();
    const ways = [
      ["-4", "192.0.2.1", "10.8.0.2", "192.0.2.10"],
      ["-6", "2001:db8:1::9", "fd00:8::2", "2001:db8:1::10"],
    ] as const;
    for (const [family, gateway, inner, outer] of ways) {
      const rule = (words: string) => machine.namespace.sh(`ip ${family} rule ${words}`);
      await machine.namespace.sh(
        `ip ${family} route add default via ${gateway} dev fiber table 100`,
      );
      const harmful = [
        ["uidrange 1000-1005", "of the user 1000"],
        ["fwmark 0x5/0xf", "with the mark 0x5"],
        [`from ${inner}`, `from ${inner}`],
        ["ipproto tcp dport 443", "of the protocol tcp to the port 443"],
      ];
      for (const [words, name] of harmful) {
        await rule(`add pref 2000 ${words} lookup 100`);
        const [line, ...rest] = await leaks.look();
        const what = `IPv${family.slice(1)} traffic ${name} goes to fiber by the routing table 100`;
        equal(line?.startsWith(what), true, line);
        deepEqual(rest, []);
        deepEqual(await leaks.look(), [], "said once");
        await rule("add pref 1999 lookup main");
        deepEqual(await leaks.look(), [], "an earlier rule sends it into the tunnel");
        await rule("del pref 1999");
        await rule("del pref 2000");
        deepEqual(await leaks.look(), []);
      }
      const harmless = [
        `from ${outer} lookup 100`,
        "oif fiber lookup 100",
        "iif mobile lookup 100",
        "uidrange 1000-1005 unreachable",
        "fwmark 0x5 lookup main",
        "fwmark 0x5 lookup 100 protocol 77",
      ];
      for (const words of harmless) {
        await rule(`add pref 2000 ${words}`);
        deepEqual(await leaks.look(), [], words);
        await rule("del pref 2000");
      }
    }
  },
});

Deno.test({
  name: "netns: TunnelLeaks names routes that are more specific than the tunnel's",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    const { machine, look } = await createMachine();
    await using _machine = machine;
    await machine.namespace.sh(`
      ip route add 203.0.113.7 via 192.0.2.1 metric 10
      ip -6 route add 2001:db8:7::7 via 2001:db8:1::9 dev fiber metric 10
      ip -6 route add 2000::/3 via 2001:db8:1::9 dev fiber
    `);
    const leaks = look();
    deepEqual(await leaks.look(), [], "the server's own routes, prefixes of links, defaults");

    await machine.namespace.sh(`
      ip tuntap add dev fluxify2 mode tun
      ip link set fluxify2 up
    `);
    const second = new DefaultRoute(await machine.openJournal(), "fluxify2", "go behind");
    await second.enable();
    await machine.namespace.sh(`
      ip route add 203.0.113.99 via 192.0.2.1 dev fiber metric 10 proto 77
      ip route add 0.0.0.0/1 via 192.0.2.1 dev fiber metric 50
    `);
    deepEqual(await leaks.look(), [], "a second client behind this one, and what is behind both");
    await machine.namespace.sh("ip link del fluxify2");

    await machine.namespace.sh("ip route add 8.8.8.0/24 via 192.0.2.1 dev fiber proto dhcp");
    match(
      (await leaks.look()).join(),
      /^fiber has routes .* tunnel's: what goes to 8\.8\.8\.0\/24 leaves/,
    );
    deepEqual(await leaks.look(), [], "said once");
    await machine.namespace.sh("ip -6 route add 2606:4700::/32 via fe80::1 dev mobile proto ra");
    match(
      (await leaks.look()).join(),
      /^mobile has routes .* tunnel's: what goes to 2606:4700::\/32 leaves/,
    );

    await machine.namespace.sh(`
      ip route add 128.0.0.0/2 dev fiber scope link
      ip route add 9.9.9.1 via 192.0.2.1
      ip route add 9.9.9.2 via 192.0.2.1
      ip route add 9.9.9.3 via 192.0.2.1
      ip route add 9.9.9.4 via 192.0.2.1
    `);
    match(
      (await leaks.look()).join(),
      /^fiber has .* to 128\.0\.0\.0\/2, 8\.8\.8\.0.* and 2 more leaves/,
    );
    deepEqual(await look(true).look(), [], "the kill switch is on");
  },
});
