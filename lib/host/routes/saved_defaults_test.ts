import assert from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { lostDefaults, remakeDefault, removeDefault, saveDefaults } from "./saved_defaults.ts";

const TEXT = [
  "default via 192.0.2.1 dev wan1 proto static metric 100 onlink linkdown ",
  "default via 192.0.2.9 dev wan1 proto dhcp src 192.0.2.10 metric 300 ",
  "default via 198.51.100.1 dev wan2 metric 200 ",
  "default proto static metric 400 \\\tnexthop via 192.0.2.1 dev wan1 weight 2 dead linkdown " +
  "\\\tnexthop via 198.51.100.1 dev wan2 weight 1 ",
  "",
].join("\n");

const save = (text: string) =>
  saveDefaults(new FakeRunner().on("ip -o -4 route show default", text), 4);

Deno.test("saveDefaults() keeps every word that makes the route again, and no state", async () => {
  const saved = await save(TEXT);
  assert.deepEqual(saved.map((route) => remakeDefault(route).join(" ")), [
    "ip -4 route add default via 192.0.2.1 dev wan1 proto static metric 100 onlink",
    "ip -4 route add default via 192.0.2.9 dev wan1 proto dhcp src 192.0.2.10 metric 300",
    "ip -4 route add default via 198.51.100.1 dev wan2 metric 200",
    "ip -4 route add default proto static metric 400 nexthop via 192.0.2.1 dev wan1 weight 2 " +
    "nexthop via 198.51.100.1 dev wan2 weight 1",
  ]);
  assert.deepEqual(saved.map(({ hops }) => hops.map(({ device }) => device)), [
    ["wan1"],
    ["wan1"],
    ["wan2"],
    ["wan1", "wan2"],
  ]);
  const [ra] = await saveDefaults(
    new FakeRunner().on(
      "ip",
      "default via fe80::1 dev wan1 proto ra metric 1024 expires 1787sec\n",
    ),
    6,
  );
  assert.equal(
    ra!.words.join(" "),
    "default via fe80::1 dev wan1 proto ra metric 1024 expires 1787",
  );
  assert.equal(
    removeDefault(ra!).join(" "),
    "ip -6 route del default via fe80::1 dev wan1 proto ra metric 1024",
  );
});

Deno.test("saveDefaults() reads metric and next hops, and leaves our own out", async () => {
  const saved = await save(
    "default proto 77 metric 1 \\\tnexthop via 192.0.2.1 dev wan1 weight 1 " +
      "\\\tnexthop via 198.51.100.1 dev wan2 weight 1 \n" +
      "default via inet6 fe80::1 dev wan1 onlink \n" +
      "default dev ppp0 scope link metric 7 \n",
  );
  assert.deepEqual(saved.map(({ metric, hops }) => [metric, ...hops]), [
    [0, { device: "wan1", gateway: { address: "fe80::1", family: 6, onlink: true } }],
    [7, { device: "ppp0", gateway: undefined }],
  ]);
});

Deno.test("remakeDefault() names a next hop object instead of what is in it", async () => {
  const saved = await save(
    "default nhid 7 via inet6 fe80::2 dev wan2 proto static metric 5 \n" +
      "default nhid 9 proto static \\\tnexthop via 192.0.2.1 dev wan1 weight 1 " +
      "\\\tnexthop via 198.51.100.1 dev wan2 weight 1 \n",
  );
  assert.deepEqual(saved.map((route) => remakeDefault(route, "append").join(" ")), [
    "ip -4 route append default nhid 7 proto static metric 5",
    "ip -4 route append default nhid 9 proto static",
  ]);
  assert.deepEqual(saved.map(({ hops }) => hops.length), [1, 2]);
});

Deno.test("lostDefaults() names what nobody else makes again", async () => {
  const saved = await save(TEXT);
  const had = new Set(["192.0.2.1"]);
  assert.deepEqual(lostDefaults(saved, saved.slice(2, 3), "wan1", had), saved.slice(0, 1));
  const others = await save("default via 192.0.2.7 dev wan1");
  assert.deepEqual(lostDefaults(saved, others, "wan1", had), []);
  assert.deepEqual(lostDefaults(saved, [], "wan3", had), []);
  assert.deepEqual(lostDefaults(saved, [], "wan1", new Set(["192.0.2.8"])), []);
});
