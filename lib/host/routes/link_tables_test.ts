import assert from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { type AddressFamily, hostPrefix } from "../links/address.ts";
import { listInterfaces } from "../links/network_interface.ts";
import { readRoutes, type Route } from "./gateway/routing_table.ts";
import { HostJournal } from "../journal/host_journal.ts";
import { TestDirectory } from "../journal/test_directory.ts";
import { TestMachine } from "../journal/test_machine.ts";
import { DefaultRoute } from "./default_route.ts";
import { LinkTables } from "./link_tables.ts";

const SERVERS = ["203.0.113.7", "2001:db8:9::7"];

async function surroundings(machine: TestMachine) {
  const routes = new Map<AddressFamily, readonly Route[]>();
  for (const family of [4, 6] as const) {
    routes.set(family, await readRoutes(machine.namespace, family));
  }
  const wentDown = new Set<string>();
  return { interfaces: await listInterfaces(machine.namespace), routes, wentDown };
}

/** The interface and gateway that a packet from `source` takes. */
async function wayFrom(machine: TestMachine, source: string, to: string): Promise<string> {
  const text = await machine.namespace.sh(`ip route get ${to} from ${source}`);
  const [, gateway] = / via (\S+)/.exec(text) ?? [];
  const [, device] = / dev (\S+)/.exec(text) ?? [];
  return gateway === undefined ? `${device}` : `${device} via ${gateway}`;
}

Deno.test({
  name: "netns: LinkTables sends what has a link's address over that link, beside the tunnel",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("link-tables");
    await machine.namespace.addLink("docker", "172.17.0.1/16");
    const before = await machine.snapshot();
    const journal = await machine.openJournal();
    await new DefaultRoute(journal, "tunnel").enable();
    const tables = new LinkTables(journal);
    const follow = async (...devices: string[]) =>
      assert.deepEqual(await tables.follow(await surroundings(machine), devices, SERVERS), []);
    await follow("fiber", "mobile");
    const cases: [source: string, to: string, way: string][] = [
      ["192.0.2.10", "8.8.8.8", "fiber via 192.0.2.1"],
      ["198.51.100.10", "8.8.8.8", "mobile via 198.51.100.1"],
      ["198.51.100.10", "203.0.113.7", "mobile via 198.51.100.1"],
      ["198.51.100.10", "198.51.100.77", "mobile"],
      ["192.0.2.10", "172.17.0.5", "docker"],
      ["10.8.0.2", "8.8.8.8", "tunnel"],
      ["2001:db8:1::10", "2001:db8:77::1", "fiber via 2001:db8:1::1"],
      ["2001:db8:2::10", "2001:db8:77::1", "mobile via 2001:db8:2::1"],
      ["2001:db8:2::10", "2001:db8:9::7", "mobile via 2001:db8:2::1"],
      ["fd00:8::2", "2001:db8:77::1", "tunnel"],
    ];
    for (const [source, to, way] of cases) {
      assert.equal(await wayFrom(machine, source, to), way, `${source} to ${to}`);
    }
    const unchanged = await machine.snapshot();
    await follow("fiber", "mobile");
    assert.equal(await machine.snapshot(), unchanged);
    assert.deepEqual(await journal.undoAll(), []);
    assert.equal(await machine.snapshot(), before);
  },
});

Deno.test({
  name:
    "netns: LinkTables follows addresses, gateways and links, and puts back what others removed",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("link-tables");
    const { namespace } = machine;
    // A table that somebody has under a number of ours, by a route and by a rule.
    await namespace.sh(`
      ip route add 10.99.0.0/16 dev fiber table 7800
      ip rule add from 10.98.0.1 priority 1000 table 7802
    `);
    const journal = await machine.openJournal();
    const tables = new LinkTables(journal);
    const follow = async (...devices: string[]) =>
      assert.deepEqual(await tables.follow(await surroundings(machine), devices, SERVERS), []);
    await follow("fiber");
    await follow("fiber", "mobile");
    const rules = async () =>
      (await namespace.sh("ip -4 rule")).split("\n").filter((line) => line.includes("proto 77"));
    const tablesOf = async () =>
      [...new Set((await rules()).map((line) => /lookup (\S+)/.exec(line)![1]))].sort();
    assert.deepEqual(await tablesOf(), ["7801", "7803", "main"]);
    const ownRoutes = async (table: number) =>
      (await namespace.sh(`ip -4 route show table ${table}`)).trim().split("\n").sort();
    assert.equal((await ownRoutes(7800)).join(), "10.99.0.0/16 dev fiber scope link");

    await namespace.sh(`
      ip address flush dev fiber scope global
      ip address add 192.0.3.10/24 dev fiber
      ip route replace default via 192.0.3.1
    `);
    await follow("fiber", "mobile");
    assert.equal(await wayFrom(machine, "192.0.3.10", "8.8.8.8"), "fiber via 192.0.3.1");
    assert.equal((await rules()).filter((line) => line.includes("192.0.2.10")).length, 0);
    await namespace.sh("ip route replace default via 192.0.3.9");
    await follow("fiber", "mobile");
    assert.equal(await wayFrom(machine, "192.0.3.10", "8.8.8.8"), "fiber via 192.0.3.9");
    assert.equal((await ownRoutes(7801)).length, 3);

    await namespace.sh("ip link set dev mobile down");
    await follow("fiber", "mobile");
    assert.deepEqual(await tablesOf(), ["7801", "main"]);
    await namespace.sh(`
      ip link set dev mobile up
      ip route add default via 198.51.100.1 metric 2000
    `);
    await follow("fiber", "mobile");
    assert.equal(await wayFrom(machine, "198.51.100.10", "8.8.8.8"), "mobile via 198.51.100.1");

    const complete = await machine.snapshot();
    await namespace.sh("ip -4 rule del priority 32300 from 198.51.100.10");
    await namespace.sh("ip route flush table 7803");
    await follow("fiber", "mobile");
    assert.equal(sorted(await machine.snapshot()), sorted(complete));

    journal.close();
    assert.match((await machine.restoreStale()).join(), /undid \d+ changes left by/);
    assert.deepEqual(await rules(), []);
    assert.equal((await namespace.sh("ip -4 rule")).includes("lookup 7802"), true);
  },
});

Deno.test("LinkTables says when no tables are free, and what the kernel refuses", async () => {
  await using directory = await TestDirectory.create();
  const rules = Array.from({ length: 200 }, (_, index) => ({ table: String(7800 + index) }));
  const runner = new FakeRunner().on("ip", "")
    .on("ip -N -4 -j rule", JSON.stringify(rules.slice(1)));
  const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
  const link = (name: string, address: string) => ({
    ...{ name, index: 1, up: true, lowerUp: true, loopback: false, pointToPoint: false, mtu: 1500 },
    addresses: [
      { family: 4 as const, address, prefixLength: 24, peer: undefined, scope: "global" },
    ],
  });
  const around = {
    interfaces: [link("fiber", "192.0.2.10")],
    routes: new Map([[4 as const, []]]),
    wentDown: new Set<string>(),
  };
  const two = new LinkTables(journal);
  await assert.rejects(
    two.follow(around, ["fiber", "mobile"], []),
    /7800 to 7999 only 1 are free.*-policy-routing/,
  );

  const one = new LinkTables(journal);
  runner.on("ip -4 rule add priority 32301", { code: 2, stderr: "RTNETLINK answers: no" });
  const [error, ...more] = await one.follow(around, ["fiber"], []);
  assert.match(String(error), /RTNETLINK answers: no/);
  assert.deepEqual(more, []);
  const added = runner.lines.filter((line) => line.startsWith("ip -4 rule add"));
  assert.deepEqual(added.map((line) => line.split(" ").slice(5, 8).join(" ")), [
    `32300 from ${hostPrefix("192.0.2.10")}`,
    `32301 from ${hostPrefix("192.0.2.10")}`,
    `32302 from ${hostPrefix("192.0.2.10")}`,
  ]);
  assert.deepEqual(await journal.undoAll(), []);
});

function sorted(text: string): string {
  return text.split("\n").sort().join("\n");
}
