import assert from "node:assert/strict";
import { FakeRunner } from "../command/runner.ts";
import { lostDefaults, remakeDefault, saveDefaults } from "./saved_defaults.ts";

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
  assert.deepEqual(saved.map(({ devices }) => devices), [
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
  assert.equal(ra!.words.join(" "), "default via fe80::1 dev wan1 proto ra metric 1024");
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
