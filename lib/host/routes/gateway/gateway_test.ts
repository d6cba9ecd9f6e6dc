import assert from "node:assert/strict";
import { FakeRunner } from "../../../../testing/fake_runner.ts";
import { TestNamespace } from "../../../../testing/test_namespace.ts";
import { listInterfaces, requireInterface } from "../../links/network_interface.ts";
import { defaultGateway, findNextHop, nextHopFor } from "./gateway.ts";
import { readRoutes } from "./routing_table.ts";

const SERVER = "203.0.113.7";

const TABLE = JSON.stringify([
  { dst: "default", gateway: "192.0.2.1", dev: "eth0", metric: 100, flags: [] },
  { dst: "default", gateway: "192.0.2.2", dev: "eth0", metric: 50, flags: [] },
  {
    dst: "default",
    metric: 200,
    flags: [],
    nexthops: [
      { gateway: "198.51.100.1", dev: "eth1", weight: 1, flags: ["dead", "linkdown"] },
      { gateway: "198.51.100.2", dev: "eth1", weight: 1, flags: ["onlink"] },
      { gateway: "192.0.2.9", dev: "eth0", weight: 1, flags: [] },
    ],
  },
  { dst: "default", dev: "wwan0", scope: "link", metric: 300, flags: [] },
  { dst: "default", gateway: "10.5.0.1", dev: "eth2", table: "102", flags: [] },
  { dst: "default", via: { family: "inet6", host: "fe80::9" }, dev: "eth3", flags: [] },
  { dst: "203.0.113.0/24", gateway: "192.0.2.254", dev: "eth0", flags: [] },
  { dst: SERVER, gateway: "192.0.2.66", dev: "eth0", metric: 10, flags: [] },
  { dst: "198.51.100.0/24", dev: "eth1", protocol: "kernel", scope: "link", flags: [] },
  { type: "unreachable", dst: "203.0.113.0/25", flags: [] },
  { type: "broadcast", dst: "192.0.2.255", dev: "eth0", table: "local", flags: [] },
]);

const table = () => readRoutes(new FakeRunner().on("ip -4 -j route show table all", TABLE), 4);
const hop = (device: string, address: string, onlink = false) => ({
  device,
  gateway: { address, family: 4, onlink },
});

Deno.test("nextHopFor() takes the most specific route of the link, but not one to the address", async () => {
  const routes = await table();
  assert.deepEqual(nextHopFor(routes, "eth0", SERVER), hop("eth0", "192.0.2.254"));
  assert.deepEqual(nextHopFor(routes, "eth0", "8.8.8.8"), hop("eth0", "192.0.2.2"));
});

Deno.test("readRoutes() keeps the source a route prescribes, but not the kernel's own", async () => {
  const routes = [
    { dst: "default", gateway: "192.0.2.1", dev: "eth0", prefsrc: "192.0.2.77", flags: [] },
    { dst: "192.0.2.0/24", dev: "eth0", protocol: "kernel", prefsrc: "192.0.2.10", flags: [] },
  ];
  const runner = new FakeRunner().on("ip -4 -j route show table all", JSON.stringify(routes));
  const [first, second] = await readRoutes(runner, 4);
  assert.deepEqual(first?.nextHops, [{ ...hop("eth0", "192.0.2.1"), source: "192.0.2.77" }]);
  assert.deepEqual(second?.nextHops, [{ device: "eth0", gateway: undefined }]);
});

Deno.test("nextHopFor() reads multipath, other tables, on-link and cross-family gateways", async () => {
  const routes = await table();
  assert.deepEqual(nextHopFor(routes, "eth1", SERVER), hop("eth1", "198.51.100.2", true));
  assert.deepEqual(nextHopFor(routes, "eth2", SERVER), hop("eth2", "10.5.0.1"));
  assert.deepEqual(nextHopFor(routes, "eth3", SERVER), {
    device: "eth3",
    gateway: { address: "fe80::9", family: 6, onlink: false },
  });
  const straight = (device: string) => ({ device, gateway: undefined });
  assert.deepEqual(nextHopFor(routes, "wwan0", SERVER), straight("wwan0"));
  assert.deepEqual(nextHopFor(routes, "eth1", "198.51.100.77"), straight("eth1"));
  assert.equal(nextHopFor(routes, "eth9", SERVER), undefined);
  assert.equal(nextHopFor(routes, "eth0", "2001:db8::1"), undefined);
});

Deno.test("defaultGateway() looks at default routes alone", async () => {
  const routes = await table();
  assert.deepEqual(defaultGateway(routes, "eth0", 4), hop("eth0", "192.0.2.2"));
  assert.equal(defaultGateway(routes, "eth0", 6), undefined);
});

/*
 *   fiber   192.0.2.10/24, 2001:db8:1::10/64     default through .1, in main
 *   mobile  198.51.100.10/24                     default through .1, in table 102
 *   copper  10.5.0.10/24                         no route but its own prefix
 *   modem   TUN, 10.6.0.1/32                     point-to-point
 */
Deno.test({
  name: "netns: findNextHop() finds each link's gateway",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using namespace = await TestNamespace.create("gateway");
    await namespace.addLink("fiber", "192.0.2.10/24", "2001:db8:1::10/64");
    await namespace.addLink("mobile", "198.51.100.10/24");
    await namespace.addLink("copper", "10.5.0.10/24");
    await namespace.sh(`
      ip tuntap add dev modem mode tun
      ip address add 10.6.0.1/32 dev modem
      ip link set dev modem up
      ip route add default via 192.0.2.1
      ip route add default via 198.51.100.1 dev mobile table 102
      ip -6 route add default via 2001:db8:1::1
    `);
    const interfaces = await listInterfaces(namespace);
    const find = (device: string, server: string) =>
      findNextHop(namespace, requireInterface(interfaces, device), server);
    assert.deepEqual(await find("fiber", SERVER), hop("fiber", "192.0.2.1"));
    assert.deepEqual(await find("mobile", SERVER), hop("mobile", "198.51.100.1"));
    assert.equal(await find("copper", SERVER), undefined);
    assert.deepEqual(await find("copper", "10.5.0.99"), { device: "copper", gateway: undefined });
    assert.deepEqual(await find("modem", SERVER), { device: "modem", gateway: undefined });
    assert.deepEqual(await find("fiber", "2001:db8:9::1"), {
      device: "fiber",
      gateway: { address: "2001:db8:1::1", family: 6, onlink: false },
    });
    assert.equal(await find("mobile", "2001:db8:9::1"), undefined);

    await namespace.sh("ip route add 203.0.113.7/32 via 10.5.0.1 dev copper");
    assert.deepEqual(await find("copper", SERVER), hop("copper", "10.5.0.1"));
  },
});
