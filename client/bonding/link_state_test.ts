import { deepEqual, equal, match, rejects, throws } from "node:assert/strict";
import { FakeRunner } from "../../testing/fake_runner.ts";
import type { NextHop, Route } from "../../lib/host/routes/gateway/routing_table.ts";
import type { InterfaceAddress, NetworkInterface } from "../../lib/host/links/network_interface.ts";
import {
  chooseLinks,
  linkIdentity,
  readLinkState,
  readSurroundings,
  sendableAddresses,
  type ServerWay,
} from "./link_state.ts";

function makeInterface(name: string, change: Partial<NetworkInterface> = {}): NetworkInterface {
  return {
    name,
    index: 1,
    up: true,
    lowerUp: true,
    loopback: false,
    pointToPoint: false,
    mtu: 1500,
    addresses: [{
      family: 4,
      address: "192.0.2.2",
      prefixLength: 24,
      peer: undefined,
      scope: "global",
    }],
    ...change,
  } as NetworkInterface;
}

const wan = (name: string, sourceAddress: string | null = null) => ({
  interfaceName: name,
  sourceAddress,
});

Deno.test("chooseLinks keeps the user's order, which gives the path ids", () => {
  const interfaces = [makeInterface("a"), makeInterface("b")];
  deepEqual(chooseLinks([wan("b"), wan("a", "192.0.2.2")], interfaces, "fluxify"), [
    { id: 0, name: "b", device: "b", sourceAddress: null },
    { id: 1, name: "a", device: "a", sourceAddress: "192.0.2.2" },
  ]);
});

Deno.test("chooseLinks tells links of one interface apart by their source addresses", () => {
  const addresses = ["192.0.2.2", "192.0.2.3"].map((address) => own(address));
  const chosen = chooseLinks(
    [wan("a", "192.0.2.2"), wan("a", "192.0.2.3"), wan("a")],
    [makeInterface("a", { addresses })],
    "fluxify",
  );
  deepEqual(chosen.map(({ name, device }) => [name, device]), [
    ["a (192.0.2.2)", "a"],
    ["a (192.0.2.3)", "a"],
    ["a (any address)", "a"],
  ]);
});

Deno.test("chooseLinks names the interface that is not there, and those that are", () => {
  throws(() => chooseLinks([wan("a"), wan("x")], [makeInterface("a")], "fluxify"), /x.*a/);
});

Deno.test("chooseLinks refuses a source address of another interface", () => {
  const interfaces = [makeInterface("a"), makeInterface("b")];
  throws(() => chooseLinks([wan("a", "198.51.100.9"), wan("b")], interfaces, "fluxify"), /198\.51/);
});

Deno.test("chooseLinks without names refuses more than a session has paths for", () => {
  const interfaces = Array.from({ length: 17 }, (_, index) => makeInterface(`eth${index}`));
  throws(() => chooseLinks([], interfaces, "fluxify"), /at most 16 interfaces, and 17 .*-ifaces/);
  equal(chooseLinks([], interfaces.slice(1), "fluxify").length, 16);
});

Deno.test("chooseLinks without names takes all that work, and wants two of them", () => {
  const interfaces = [
    makeInterface("lo", { loopback: true }),
    makeInterface("a"),
    makeInterface("fluxify"),
    makeInterface("b", { up: false }),
  ];
  throws(() => chooseLinks([], interfaces, "fluxify"), /at least two.*a, b \(is down\)/);
  interfaces.push(makeInterface("c"));
  deepEqual(chooseLinks([], interfaces, "fluxify").map(({ name }) => name), ["a", "c"]);
});

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
  options: { sourceAddress?: string; known?: ServerWay[]; link?: Partial<NetworkInterface> } = {},
): Promise<string> {
  const runner = new FakeRunner().on("ip", { code: 2, stderr: "Network is unreachable" });
  const routes = gateways.map(defaultVia);
  const state = await readLinkState(
    runner,
    { id: 0, name: "a", device: "a", sourceAddress: options.sourceAddress ?? null },
    {
      interfaces: [makeInterface("a", { addresses, ...options.link })],
      routes: new Map(
        [4, 6].map((
          family,
        ) => [family as 4 | 6, routes.filter((route) => route.family === family)]),
      ),
    },
    [SERVER6, SERVER4],
    options.known,
  );
  if (!state.isUsable) return state.why;
  return state.ways.map(({ server, nextHop }) => `${server.family} via ${nextHop.gateway?.address}`)
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
    sendableAddresses(makeInterface("a", { addresses }), 6);
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
    "cannot send IPv6 from 192.0.2.3 and no longer has the address 192.0.2.3",
  );
});

Deno.test("readLinkState() guesses the gateway it knew only where no route is left", async () => {
  const known = [
    { server: SERVER6, nextHop: through("2001:db8:1::1") },
    { server: SERVER4, nextHop: through("192.0.2.1") },
  ];
  const both = [own("192.0.2.2"), own("2001:db8:1::2")];
  equal(await stateOf(both, [], { known }), "6 via 2001:db8:1::1, 4 via 192.0.2.1");
  equal(await stateOf(both, ["192.0.2.9"], { known }), "4 via 192.0.2.9");
  const moved = [own("198.51.100.2"), own("2001:db8:7::2")];
  match(await stateOf(moved, [], { known }), /no gateway/);
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

Deno.test("linkIdentity changes with the interface, the gateway and the server's address", () => {
  const way = { server: SERVER4, nextHop: through("192.0.2.1") };
  const identities = [
    linkIdentity(makeInterface("a"), way),
    linkIdentity(makeInterface("a", { index: 2 }), way),
    linkIdentity(makeInterface("a"), { ...way, nextHop: through("192.0.2.9") }),
    linkIdentity(makeInterface("a"), { ...way, server: SERVER6 }),
  ];
  equal(new Set(identities).size, identities.length);
  equal(linkIdentity(makeInterface("a", { addresses: [] }), way), identities[0]);
});
