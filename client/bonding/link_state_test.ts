import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { FakeRunner } from "../../testing/fake_runner.ts";
import type { NextHop, Route } from "../../lib/host/routes/gateway/routing_table.ts";
import type { InterfaceAddress, NetworkInterface } from "../../lib/host/links/network_interface.ts";
import { networkInterface } from "../../testing/network_interface.ts";
import {
  type NextHopMemories,
  readLinkState,
  readSurroundings,
  sendableAddresses,
} from "./link_state.ts";

const SERVER4 = { address: "203.0.113.10", family: 4 } as const;
const SERVER6 = { address: "2001:db8:113::10", family: 6 } as const;
const through = (address: string): NextHop => ({
  device: "a",
  gateway: { address, family: address.includes(":") ? 6 : 4, onlink: false },
});
const defaultVia = (address: string): Route => ({
  family: address.includes(":") ? 6 : 4,
  destination: address.includes(":") ? "::/0" : "0.0.0.0/0",
  table: "main",
  metric: 0,
  protocol: undefined,
  nextHops: [through(address)],
});
const own = (address: string, more: Partial<InterfaceAddress> = {}): InterfaceAddress => ({
  family: address.includes(":") ? 6 : 4,
  address,
  prefixLength: address.includes(":") ? 64 : 24,
  peer: undefined,
  scope: "global",
  ...more,
});

/** What `readLinkState()` says of link a with these addresses and gateways. */
async function stateOf(
  addresses: InterfaceAddress[],
  gateways: string[],
  options: {
    sourceAddress?: string;
    memories?: NextHopMemories;
    link?: Partial<NetworkInterface>;
  } = {},
): Promise<string> {
  const runner = new FakeRunner().on("ip", { code: 2, stderr: "Network is unreachable" });
  const routes = gateways.map(defaultVia);
  const state = await readLinkState(
    runner,
    { id: 0, name: "a", device: "a", sourceAddress: options.sourceAddress ?? null },
    {
      interfaces: [networkInterface("a", { addresses, ...options.link })],
      routes: new Map(
        [4, 6].map((
          family,
        ) => [family as 4 | 6, routes.filter((route) => route.family === family)]),
      ),
      wentDown: new Set(),
    },
    [SERVER6, SERVER4],
    options.memories ?? new Map(),
  );
  if (!state.isUsable) return state.why;
  return state.routes.map(({ server, nextHop }) =>
    `${server.family} via ${nextHop.gateway?.address}`
  )
    .join(", ");
}

Deno.test("readLinkState() finds the addresses of the server that a link leads to", async () => {
  const v4 = own("192.0.2.2");
  const v6 = own("2001:db8:1::2");
  const gateways = ["192.0.2.1", "2001:db8:1::1"];
  equal(await stateOf([v4, v6], gateways), "6 via 2001:db8:1::1, 4 via 192.0.2.1");
  equal(await stateOf([v4], gateways), "4 via 192.0.2.1");
  equal(await stateOf([v6], gateways), "6 via 2001:db8:1::1");
  equal(await stateOf([v4, v6], ["192.0.2.1"]), "4 via 192.0.2.1");
  equal(
    await stateOf([v4, v6], []),
    "has no gateway to 2001:db8:113::10 and has no gateway to 203.0.113.10",
  );
});

Deno.test("readLinkState() does not count addresses that nothing can be sent from", async () => {
  const gateways = ["192.0.2.1", "2001:db8:1::1"];
  const useless = [own("fe80::2", { scope: "link" }), own("2001:db8:1::2", { isTentative: true })];
  equal(await stateOf(useless, gateways), "has no IPv6 address and has no IPv4 address");
  equal(await stateOf([...useless, own("192.0.2.2")], gateways), "4 via 192.0.2.1");
});

Deno.test("sendableAddresses() has deprecated addresses only where there are no others", () => {
  const old = [own("2001:db8:1::2", { isDeprecated: true }), own("192.0.2.2")];
  const addressesOf = (addresses: InterfaceAddress[]) =>
    sendableAddresses(networkInterface("a", { addresses }), 6);
  deepEqual(addressesOf(old), ["2001:db8:1::2"]);
  deepEqual(addressesOf([...old, own("2001:db8:7::2")]), ["2001:db8:7::2"]);
  const tentative = own("2001:db8:7::2", { isTentative: true });
  deepEqual(addressesOf([...old, tentative]), ["2001:db8:1::2"]);
});

Deno.test("readLinkState() keeps to the source address that is prescribed", async () => {
  const both = [own("192.0.2.2"), own("2001:db8:1::2")];
  const gateways = ["192.0.2.1", "2001:db8:1::1"];
  const from = (sourceAddress: string) => stateOf(both, gateways, { sourceAddress });
  equal(await from("192.0.2.2"), "4 via 192.0.2.1");
  equal(await from("2001:DB8:1::2"), "6 via 2001:db8:1::1");
  both.push(own("2001:db8:1::3", { isDeprecated: true }));
  equal(await from("2001:db8:1::3"), "6 via 2001:db8:1::1");
  equal(
    await from("192.0.2.3"),
    "cannot send IPv6 from 192.0.2.3 and does not have the address 192.0.2.3",
  );
});

Deno.test("readLinkState() guesses the gateway that went with the link, where no route is left", async () => {
  const memories: NextHopMemories = new Map();
  const both = [own("192.0.2.2"), own("2001:db8:1::2")];
  const look = (gateways: string[], addresses = both, link: Partial<NetworkInterface> = {}) =>
    stateOf(addresses, gateways, { memories, link });
  const gateways = ["192.0.2.1", "2001:db8:1::1"];
  equal(await look(gateways), "6 via 2001:db8:1::1, 4 via 192.0.2.1");
  equal(await look([], both, { lowerUp: false }), "has no carrier");
  equal(await look([]), "6 via 2001:db8:1::1, 4 via 192.0.2.1");
  match(await look([], [own("198.51.100.2"), own("2001:db8:7::2")]), /no gateway/);
  equal(await look(["192.0.2.9"]), "4 via 192.0.2.9");
  equal(await look([]), "6 via 2001:db8:1::1", "the other one is withdrawn");
});

Deno.test("readLinkState() says what is wrong with a link", async () => {
  const wrong = (link: Partial<NetworkInterface>) => stateOf([], [], { link });
  equal(await wrong({ up: false, lowerUp: false }), "is down");
  equal(await wrong({ lowerUp: false }), "has no carrier");
  equal(await wrong({ name: "b" }), "is not there");
});

Deno.test("readSurroundings() does without IPv6 where the kernel has none", async () => {
  const runner = new FakeRunner()
    .on("ip -j address", JSON.stringify([{ ifindex: 1, ifname: "a", flags: [], mtu: 1500 }]))
    .on("ip -4 -j route", "[]")
    .on("ip -6 -j route", { code: 2, stderr: "RTNETLINK answers: Operation not supported" });
  deepEqual([...(await readSurroundings(runner, [4, 6])).routes], [[4, []]]);
  const address = { family: "inet6", local: "2001:db8::1", prefixlen: 64 };
  runner.on(
    "ip -j address",
    JSON.stringify([{ ifindex: 1, ifname: "a", flags: [], mtu: 1500, addr_info: [address] }]),
  );
  await rejects(readSurroundings(runner, [4, 6]), /not supported/);
});
