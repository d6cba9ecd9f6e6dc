import assert from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import {
  deleteDefault,
  describeHops,
  readOwnDefaults,
  replaceDefault,
  type WeightedHop,
} from "./multipath_route.ts";
import { ruleCommand } from "./policy_rule.ts";

const hop = (
  device: string,
  address: string | null,
  weight = 1,
  { family = 4, onlink = false }: { family?: 4 | 6; onlink?: boolean } = {},
): WeightedHop => ({
  nextHop: { device, gateway: address === null ? undefined : { address, family, onlink } },
  weight,
});
const line = (family: 4 | 6, ...hops: WeightedHop[]) =>
  replaceDefault({ family, table: "main", hops }).join(" ");

Deno.test("replaceDefault() lists next hops with their weights", () => {
  assert.equal(
    line(4, hop("wan1", "192.0.2.1", 3), hop("wan2", "198.51.100.1", 1)),
    "ip -4 route replace default metric 1 protocol 77 " +
      "nexthop via 192.0.2.1 dev wan1 weight 3 nexthop via 198.51.100.1 dev wan2 weight 1",
  );
  assert.equal(
    line(6, hop("wan1", "fe80::1", 1, { family: 6 }), hop("ppp0", null, 2)),
    "ip -6 route replace default metric 1 protocol 77 " +
      "nexthop via fe80::1 dev wan1 weight 1 nexthop dev ppp0 weight 2",
  );
});

Deno.test("replaceDefault() writes on-link and cross-family gateways, and one hop alone", () => {
  assert.equal(
    line(4, hop("wan1", "fe80::1", 7, { family: 6, onlink: true })),
    "ip -4 route replace default metric 1 protocol 77 via inet6 fe80::1 dev wan1 onlink",
  );
  assert.equal(deleteDefault(6, "main").join(" "), "ip -6 route del default metric 1 protocol 77");
  assert.equal(
    replaceDefault({ family: 4, table: 7701, hops: [hop("wan1", "192.0.2.1")] }).join(" "),
    "ip -4 route replace default table 7701 protocol 77 via 192.0.2.1 dev wan1",
  );
  assert.equal(deleteDefault(6, 7701).join(" "), "ip -6 route del default table 7701 protocol 77");
});

Deno.test("replaceDefault() keeps the source of a hop alone, as one route has only one", () => {
  const [first, second] = [hop("wan1", "192.0.2.1"), hop("wan2", "198.51.100.1")];
  const prescribed = { ...first!, nextHop: { ...first!.nextHop, source: "192.0.2.77" } };
  assert.match(line(4, prescribed), / via 192\.0\.2\.1 dev wan1 src 192\.0\.2\.77$/);
  assert.doesNotMatch(line(4, prescribed, second!), /src/);
  assert.notEqual(describeHops([prescribed]), describeHops([first!]));
  assert.equal(describeHops([prescribed, second!]), describeHops([first!, second!]));
});

Deno.test("replaceDefault() refuses no hop, wrong weights and wrong names", () => {
  assert.throws(() => line(4), RangeError);
  for (const weight of [0, 257, 1.5, NaN]) {
    assert.throws(() => line(4, hop("a", "192.0.2.1", weight), hop("b", null)), RangeError);
  }
  assert.throws(() => line(4, hop("-x", "192.0.2.1")), { name: "InterfaceError" });
});

Deno.test("readOwnDefaults() tells what is ours, and whether it is as it was put there", async () => {
  const hops = [hop("wan1", "192.0.2.1", 3), hop("wan2", "198.51.100.1")];
  const nexthops = [
    { gateway: "192.0.2.1", dev: "wan1", weight: 3, flags: [] as string[] },
    { gateway: "198.51.100.1", dev: "wan2", weight: 1, flags: [] },
  ];
  const routes = [
    { dst: "default", gateway: "192.0.2.9", dev: "wan1", protocol: "dhcp", flags: [] },
    { dst: "default", table: "102", protocol: "static", gateway: "10.0.0.1", dev: "x", flags: [] },
    { dst: "default", metric: 1, protocol: "77", flags: [], nexthops },
    { dst: "default", table: "7701", protocol: "77", gateway: "192.0.2.1", dev: "wan1", flags: [] },
    { dst: "default", table: "7702", protocol: "77", dev: "ppp0", flags: [] },
  ];
  const read = () =>
    readOwnDefaults(
      new FakeRunner().on("ip -4 -j route show table all", JSON.stringify(routes)),
      4,
    );
  assert.deepEqual([...await read()], [
    ["main", describeHops(hops)],
    [7701, describeHops([hop("wan1", "192.0.2.1", 9)])],
    [7702, describeHops([hop("ppp0", null)])],
  ]);
  nexthops[0]!.flags = ["dead", "linkdown"];
  assert.notEqual((await read()).get("main"), describeHops(hops));
});

Deno.test("readOwnDefaults() joins the hops that old versions show as routes", async () => {
  const route = (dev: string, gateway: string) => (
    { dst: "default", metric: 1, protocol: "77", gateway, dev, flags: [] }
  );
  const runner = new FakeRunner()
    .on("ip -6 -j route", JSON.stringify([route("a", "fe80::1"), route("b", "fe80::2")]));
  assert.equal(
    (await readOwnDefaults(runner, 6)).get("main"),
    describeHops([hop("a", "fe80::1"), hop("b", "fe80::2")]),
  );
});

Deno.test("ruleCommand() writes what a rule is for", () => {
  const rule = { family: 4, priority: 32501, table: 7701 } as const;
  assert.equal(
    ruleCommand("add", { ...rule, mark: "0x1000000/0x3f000000" }).join(" "),
    "ip -4 rule add priority 32501 fwmark 0x1000000/0x3f000000 table 7701 protocol 77",
  );
  assert.equal(
    ruleCommand("del", { ...rule, family: 6, boundTo: "wan1" }).join(" "),
    "ip -6 rule del priority 32501 oif wan1 table 7701 protocol 77",
  );
  assert.equal(
    ruleCommand("add", { ...rule, table: "main", suppressPrefixLength: 0 }).join(" "),
    "ip -4 rule add priority 32501 table main suppress_prefixlength 0 protocol 77",
  );
});
