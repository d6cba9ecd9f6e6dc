import assert from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { TestNamespace } from "../../../testing/test_namespace.ts";
import {
  checkInterfaceName,
  findInterface,
  isOwnAddress,
  listInterfaces,
  requireInterface,
  requireSourceAddress,
  whyAway,
} from "./network_interface.ts";

const LISTING = JSON.stringify([
  {},
  {
    ifindex: 1,
    ifname: "lo",
    flags: ["LOOPBACK", "UP", "LOWER_UP"],
    mtu: 65536,
    addr_info: [{ family: "inet", local: "127.0.0.1", prefixlen: 8, scope: "host" }],
  },
  {
    ifindex: 2,
    ifname: "eth0",
    flags: ["BROADCAST", "UP", "LOWER_UP"],
    mtu: 1500,
    addr_info: [
      { family: "mctp", local: "7" },
      { family: "inet", local: "192.0.2.10", prefixlen: 24, scope: "global" },
      { family: "inet6", local: "fe80::1", prefixlen: 64, scope: "link" },
    ],
  },
  {
    ifindex: 3,
    ifname: "wwan0",
    flags: ["POINTOPOINT", "UP", "LOWER_UP"],
    mtu: 1420,
    addr_info: [
      { family: "inet", local: "10.0.0.1", address: "10.0.0.2", prefixlen: 32, scope: "global" },
    ],
  },
  { ifindex: 4, ifname: "eth1", flags: ["BROADCAST"], mtu: 1500, addr_info: [] },
  { ifindex: 5, ifname: "eth2", flags: ["BROADCAST", "UP"], mtu: 1500, addr_info: [] },
  { ifindex: 6, ifname: "eth3", flags: ["UP", "LOWER_UP"], mtu: 1500, addr_info: [] },
  { ifindex: 7, ifname: "fluxify0", flags: ["POINTOPOINT", "UP", "LOWER_UP"], mtu: 1400 },
]);

Deno.test("listInterfaces() tells addresses that nothing can be sent from yet", async () => {
  const address = (local: string, more: object) => ({
    ...{ family: "inet6", local, prefixlen: 64, scope: "global" },
    ...more,
  });
  const [link] = await listInterfaces(
    new FakeRunner().on(
      "ip",
      JSON.stringify([{
        ...{ ifindex: 2, ifname: "eth0", flags: ["UP"], mtu: 1500 },
        addr_info: [
          address("2001:db8::1", {}),
          address("2001:db8::2", { tentative: true }),
          address("2001:db8::3", { tentative: true, optimistic: true }),
          address("2001:db8::4", { dadfailed: true }),
          address("2001:db8::5", { deprecated: true }),
        ],
      }]),
    ),
  );
  assert.deepEqual(link!.addresses.map(({ isTentative }) => isTentative === true), [
    false,
    true,
    false,
    true,
    false,
  ]);
  assert.deepEqual(
    link!.addresses.filter(({ isDeprecated }) => isDeprecated).map(({ address }) => address),
    ["2001:db8::5"],
  );
});

const machine = () => listInterfaces(new FakeRunner().on("ip -j address show", LISTING));

Deno.test("listInterfaces() reads names, states and addresses, and skips what it does not know", async () => {
  const interfaces = await machine();
  assert.deepEqual(findInterface(interfaces, "wwan0"), {
    name: "wwan0",
    index: 3,
    up: true,
    lowerUp: true,
    loopback: false,
    pointToPoint: true,
    mtu: 1420,
    addresses: [
      { family: 4, address: "10.0.0.1", prefixLength: 32, peer: "10.0.0.2", scope: "global" },
    ],
  });
  assert.deepEqual(
    findInterface(interfaces, "eth0")?.addresses.map((one) => [one.family, one.address]),
    [[4, "192.0.2.10"], [6, "fe80::1"]],
  );
});

Deno.test("requireInterface() names what there is", async () => {
  const interfaces = await machine();
  assert.equal(requireInterface(interfaces, "eth0").index, 2);
  assert.throws(() => requireInterface(interfaces, "eth9"), {
    name: "InterfaceError",
    message: "no interface named eth9; this machine has: eth0, wwan0, eth1, eth2, eth3, fluxify0",
  });
});

Deno.test("requireSourceAddress() takes an address of the link alone", async () => {
  const interfaces = await machine();
  const eth0 = requireInterface(interfaces, "eth0");
  assert.equal(requireSourceAddress(eth0, "192.0.2.10").prefixLength, 24);
  assert.equal(requireSourceAddress(eth0, "FE80:0::1").family, 6);
  assert.throws(
    () => requireSourceAddress(eth0, "192.0.2.11"),
    /eth0, which has: 192.0.2.10, fe80/,
  );
  assert.throws(
    () => requireSourceAddress(requireInterface(interfaces, "eth3"), "192.0.2.10"),
    /no address/,
  );
  assert.throws(() => requireSourceAddress(eth0, "192.0.2"), /not an IPv4 or IPv6 address/);
  assert.ok(isOwnAddress(interfaces, "127.0.0.1"));
  assert.ok(!isOwnAddress(interfaces, "10.0.0.2"));
});

Deno.test("whyAway() says what is wrong with an interface, whatever its addresses", async () => {
  const interfaces = await machine();
  const why = (name: string) => whyAway(findInterface(interfaces, name));
  assert.deepEqual(["eth0", "wwan0", "eth1", "eth2", "eth3", "eth9"].map(why), [
    ...[null, null, "is down", "has no carrier", null, "is not there"],
  ]);
});

Deno.test("checkInterfaceName() refuses options, paths, quotes and long names", () => {
  for (const name of ["eth0", "wlp3s0", "eth0.100", "br-lan", "a".repeat(15)]) {
    assert.equal(checkInterfaceName(name), name);
  }
  for (const name of ["", "-x", ".", "..", "a/b", 'a"b', "a b", "eth+", "a\n", "a".repeat(16)]) {
    assert.throws(() => checkInterfaceName(name), { name: "InterfaceError" }, name);
  }
});

Deno.test({
  name: "netns: listInterfaces() agrees with the kernel",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using namespace = await TestNamespace.create("interface");
    await namespace.addLink("fiber", "192.0.2.1/24");
    await namespace.sh("ip link set dev fiber mtu 1400");
    const fiber = requireInterface(await listInterfaces(namespace), "fiber");
    assert.equal(fiber.mtu, 1400);
    assert.ok(fiber.up && fiber.lowerUp && !fiber.loopback && !fiber.pointToPoint);
    assert.equal(fiber.addresses[0]?.address, "192.0.2.1");
  },
});
