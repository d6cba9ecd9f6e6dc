import assert from "node:assert/strict";
import { TestMachine } from "../journal/test_machine.ts";
import { type AddressFamily, FAMILIES } from "../links/address.ts";
import { listInterfaces } from "../links/network_interface.ts";
import { BesideTunnel } from "./beside_tunnel.ts";
import { DefaultRoute } from "./default_route.ts";
import { readRoutes, type Route } from "./gateway/routing_table.ts";
import { LinkTables } from "./link_tables.ts";
import { TunnelPrefixes } from "./tunnel_prefixes.ts";

const needs = { ignore: Deno.uid() !== 0 };

/** The interface and gateway that a packet takes. */
async function wayTo(machine: TestMachine, to: string): Promise<string> {
  const text = await machine.namespace.sh(`ip route get ${to}`);
  const [, gateway] = / via (\S+)/.exec(text) ?? [];
  const [, device] = / dev (\S+)/.exec(text) ?? [];
  return gateway === undefined ? `${device}` : `${device} via ${gateway}`;
}

async function ways(machine: TestMachine, ...addresses: string[]): Promise<string[]> {
  return await Promise.all(addresses.map((address) => wayTo(machine, address)));
}

Deno.test({
  name: "netns: what is to go beside the tunnel does, over the default routes as they are",
  ...needs,
  async fn() {
    await using machine = await TestMachine.create("beside");
    const before = await machine.snapshot();
    const journal = await machine.openJournal();
    await new DefaultRoute(journal, "tunnel").enable();
    const beside = new BesideTunnel(journal, "tunnel");
    assert.deepEqual(await beside.follow([]), { networks: [], notices: [] });

    const prefixes = ["203.0.113.0/24", "2001:db8:99::/48"];
    const { networks, notices } = await beside.follow(prefixes);
    assert.deepEqual(notices, []);
    assert.deepEqual(
      [...new Set(networks.map(({ device }) => device))],
      ["fiber", "mobile"],
    );
    const there = ["203.0.113.9", "2001:db8:99::1"];
    const others = ["203.0.114.9", "2001:db8:98::1"];
    assert.deepEqual(await ways(machine, ...there), [
      "fiber via 192.0.2.1",
      "fiber via 2001:db8:1::1",
    ]);
    assert.deepEqual(await ways(machine, ...others), ["tunnel", "tunnel"]);
    // A network on a link is nearer than any prefix around it.
    await beside.follow([...prefixes, "198.51.0.0/16"]);
    assert.equal(await wayTo(machine, "198.51.100.77"), "mobile");
    assert.equal(await wayTo(machine, "198.51.7.7"), "fiber via 192.0.2.1");

    // The first link goes, and another program takes our rules.
    await machine.namespace.sh(`
      ip route del default dev fiber
      ip rule del priority 32304
    `);
    await beside.follow(prefixes);
    assert.equal(await wayTo(machine, there[0]!), "mobile via 198.51.100.1");
    assert.equal(await wayTo(machine, "198.51.7.7"), "tunnel");

    await beside.follow([]);
    assert.deepEqual(await ways(machine, ...there), ["tunnel", "tunnel"]);
    assert.deepEqual(await journal.undoAll(), []);
    await machine.namespace.sh("ip route add default via 192.0.2.1 dev fiber");
    assert.equal(await machine.snapshot(), before);
  },
});

Deno.test({
  name: "netns: two default routes of one metric do not take each other's place",
  ...needs,
  async fn() {
    await using machine = await TestMachine.create("equal");
    await machine.namespace.sh(`
      ip route del default dev fiber
      ip route del default dev mobile
      ip route add default nexthop via 192.0.2.1 dev fiber nexthop via 198.51.100.1 dev mobile
      ip -6 route del default dev fiber
      ip -6 route del default dev mobile
      ip -6 route append default via 2001:db8:1::1 dev fiber metric 1024
      ip -6 route append default via 2001:db8:2::1 dev mobile metric 1024
    `);
    const journal = await machine.openJournal();
    await new DefaultRoute(journal, "tunnel").enable();
    const beside = new BesideTunnel(journal, "tunnel");
    const follow = async () =>
      assert.deepEqual((await beside.follow(["203.0.113.0/24", "2001:db8:99::/48"])).notices, []);
    await follow();
    const settled = await machine.snapshot();
    for (let again = 0; again < 3; again++) {
      await follow();
      assert.equal(await machine.snapshot(), settled);
    }
    assert.deepEqual(await journal.undoAll(), []);
  },
});

Deno.test({
  name: "netns: tables of links that are away are left to them, and 2000::/3 is a default route",
  ...needs,
  async fn() {
    await using machine = await TestMachine.create("tables");
    await machine.namespace.sh(`
      ip link set mobile down
      ip -6 route del default dev fiber
      ip -6 route add 2000::/3 via 2001:db8:1::1 dev fiber
    `);
    const journal = await machine.openJournal();
    await new DefaultRoute(journal, "tunnel").enable();
    const tables = new LinkTables(journal);
    const beside = new BesideTunnel(journal, "tunnel");
    const follow = async () => {
      const routes = new Map<AddressFamily, readonly Route[]>();
      for (const family of FAMILIES) {
        routes.set(family, await readRoutes(machine.namespace, family));
      }
      const interfaces = await listInterfaces(machine.namespace);
      const surroundings = { interfaces, routes, wentDown: new Set<string>() };
      assert.deepEqual(await tables.follow(surroundings, ["fiber", "mobile"], []), []);
      const { notices } = await beside.follow(["203.0.113.0/24", "2001:db8:99::/48"]);
      assert.deepEqual(notices, []);
    };
    await follow();
    assert.equal(await wayTo(machine, "2001:db8:99::1"), "fiber via 2001:db8:1::1");
    await machine.namespace.sh(`
      ip link set mobile up
      ip route add default via 198.51.100.1 dev mobile metric 2000
    `);
    await follow();
    assert.equal(await wayTo(machine, "203.0.114.9"), "tunnel");
    assert.equal(await wayTo(machine, "203.0.113.9"), "fiber via 192.0.2.1");
    assert.deepEqual(await journal.undoAll(), []);
  },
});

Deno.test({
  name:
    "netns: more destinations than there is room for are said, and so is a family without a way",
  ...needs,
  async fn() {
    await using machine = await TestMachine.create("many");
    await machine.namespace.sh(
      "ip -6 route del default dev fiber\nip -6 route del default dev mobile",
    );
    const journal = await machine.openJournal();
    await new DefaultRoute(journal, "tunnel").enable();
    const many = Array.from({ length: 258 }, (_, at) => `198.18.${at >> 8}.${at & 255}/32`);
    const beside = new BesideTunnel(journal, "tunnel");
    const { notices } = await beside.follow([...many, "2001:db8:99::/48"]);
    assert.deepEqual(notices, [
      "-bypass stands for more IPv4 prefixes than 256: 2 are left out",
      "no IPv6 route outside the tunnel: packets to 2001:db8:99::/48 go where all others go",
    ]);
    assert.deepEqual(await journal.undoAll(), []);
  },
});

Deno.test({
  name: "netns: only what is named goes into the tunnel, and a route of others stays theirs",
  ...needs,
  async fn() {
    await using machine = await TestMachine.create("only");
    await machine.namespace.sh("ip route add 198.18.5.0/24 via 192.0.2.1 dev fiber");
    const before = await machine.snapshot();
    const journal = await machine.openJournal();
    const only = new TunnelPrefixes(journal, "tunnel");
    const prefixes = ["203.0.113.0/24", "2001:db8:99::/48"];
    assert.deepEqual(await only.follow(prefixes), []);
    assert.deepEqual(
      await ways(machine, "203.0.113.9", "2001:db8:99::1", "203.0.114.9", "2001:db8:98::1"),
      ["tunnel", "tunnel", "fiber via 192.0.2.1", "fiber via 2001:db8:1::1"],
    );
    assert.deepEqual(await only.follow(["198.18.5.0/24", "198.51.100.0/24", ...prefixes]), [
      "198.18.5.0/24 does not go into the tunnel: it has a route to fiber already",
      "198.51.100.0/24 does not go into the tunnel: it is on a link's own network",
    ]);
    assert.equal(await wayTo(machine, "198.18.5.1"), "fiber via 192.0.2.1");
    assert.equal(await wayTo(machine, "198.51.100.77"), "mobile");
    await machine.namespace.sh("ip route del 203.0.113.0/24");
    await only.follow(prefixes);
    assert.equal(await wayTo(machine, "203.0.113.9"), "tunnel");
    await only.follow(prefixes.slice(1));
    assert.equal(await wayTo(machine, "203.0.113.9"), "fiber via 192.0.2.1");
    assert.deepEqual(await journal.undoAll(), []);
    assert.equal(await machine.snapshot(), before);
  },
});

Deno.test({
  name: "netns: without IPv6 on the device its IPv6 destinations are said, the others go there",
  ...needs,
  async fn() {
    await using machine = await TestMachine.create("only6");
    const journal = await machine.openJournal();
    await machine.namespace.sh("sysctl -q -w net.ipv6.conf.tunnel.disable_ipv6=1");
    const only = new TunnelPrefixes(journal, "tunnel");
    assert.deepEqual(await only.follow(["203.0.113.0/24", "2001:db8:99::/48"]), [
      "IPv6 is switched off on tunnel: 2001:db8:99::/48 does not go there",
    ]);
    assert.equal(await wayTo(machine, "203.0.113.9"), "tunnel");
    assert.deepEqual(await journal.undoAll(), []);
  },
});

Deno.test({
  name:
    "netns: what leaves from the tunnel's own ports goes beside prefixes that are in the tunnel",
  ...needs,
  async fn() {
    await using machine = await TestMachine.create("own");
    const before = await machine.snapshot();
    const journal = await machine.openJournal();
    const ports = { tcp: 8443, udp: 8000 };
    const routes = new TunnelPrefixes(journal, "tunnel", "what is behind clients", ports);
    const prefixes = ["203.0.113.0/24", "2001:db8:99::/48"];
    for (let turn = 0; turn < 2; turn++) assert.deepEqual(await routes.follow(prefixes), []);
    const wayFrom = async (address: string, protocol: string, port: number) => {
      const command = `ip -j route get ${address} ipproto ${protocol} sport ${port} dport 40000`;
      return JSON.parse(await machine.namespace.sh(command))[0].dev;
    };
    for (const address of ["203.0.113.9", "2001:db8:99::1"]) {
      assert.equal(await wayTo(machine, address), "tunnel");
      assert.equal(await wayFrom(address, "udp", 8000), "fiber");
      assert.equal(await wayFrom(address, "tcp", 8443), "fiber");
      assert.equal(await wayFrom(address, "tcp", 8000), "tunnel");
    }
    const rules = await machine.namespace.sh("ip rule show");
    assert.equal(rules.match(/^3231[01]:/gm)?.length, 3, "each is there once");
    // What another program takes away is put back.
    await machine.namespace.sh("ip rule del priority 32310 ipproto udp sport 8000");
    assert.deepEqual(await routes.follow(prefixes), []);
    assert.equal(await wayFrom("203.0.113.9", "udp", 8000), "fiber");
    await routes.follow([]);
    assert.equal(await wayTo(machine, "203.0.113.9"), "fiber via 192.0.2.1");
    assert.deepEqual(await journal.undoAll(), []);
    assert.equal(await machine.snapshot(), before);
  },
});
