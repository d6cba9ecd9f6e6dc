import { deepEqual } from "node:assert/strict";
import { FakeRunner } from "../../testing/fake_runner.ts";
import type { SavedDefault } from "../../lib/host/routes/saved_defaults.ts";
import { LinkDefaults } from "./link_defaults.ts";

const VIA = (gateway: string, device = "one") =>
  `default via ${gateway} dev ${device} metric 100\n`;

/** A machine with the link `one`, and what the keeper was told. */
function bench() {
  const machine = { flags: ["UP", "LOWER_UP"], routes: VIA("192.0.2.1") };
  const link = () => [{ ifindex: 2, ifname: "one", mtu: 1500, flags: machine.flags }];
  const runner = new FakeRunner()
    .on("ip -j address", () => JSON.stringify(link()))
    .on("ip -o -4 route show default", () => machine.routes)
    .on("ip -o -6 route show default", "");
  let known: readonly SavedDefault[] = [];
  const bare: (string | undefined)[] = [];
  const defaults = new LinkDefaults(runner, {
    of: () => [...known],
    know: (_, routes) => known = routes,
    linkIsBare: (_, gateway) => bare.push(gateway),
  }, () => ["one"]);
  const look = (...wentDown: string[]) => defaults.changed(new Set(wentDown));
  return {
    machine,
    bare,
    look,
    gateways: () => known.map(({ hops }) => hops[0]?.gateway?.address),
  };
}

Deno.test("a route that went with its link is missed when the link is back, however short", async () => {
  const { machine, bare, look, gateways } = bench();
  await look();
  deepEqual(gateways(), ["192.0.2.1"]);
  Object.assign(machine, { flags: [], routes: "" });
  await look("one");
  deepEqual(bare, [], "the link is down");
  machine.flags = ["UP", "LOWER_UP"];
  await look();
  deepEqual(bare, ["192.0.2.1"]);

  machine.routes = VIA("192.0.2.9");
  await look();
  deepEqual(gateways(), ["192.0.2.1"], "it may be on its way");
  await look();
  deepEqual(gateways(), ["192.0.2.9"]);
  machine.routes = "";
  await look("one");
  deepEqual(bare, ["192.0.2.1", "192.0.2.9"], "down and up between two looks");
});

Deno.test("a route that somebody takes away while its link stays is not missed", async () => {
  const { machine, bare, look, gateways } = bench();
  await look();
  machine.routes = VIA("198.51.100.1", "other");
  await look("other");
  deepEqual(gateways(), []);
  machine.flags = [];
  await look("one");
  machine.flags = ["UP", "LOWER_UP"];
  await look();
  deepEqual(bare, []);
});
