import assert from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { askKernel, type NextHop } from "./gateway/routing_table.ts";
import { HostJournal } from "../journal/host_journal.ts";
import { TestDirectory } from "../journal/test_directory.ts";
import { TestMachine } from "../journal/test_machine.ts";
import { ServerRoutes } from "./server_routes.ts";

const SERVER = "203.0.113.7";
const SERVER_6 = "2001:db8:9::7";

const through = (device: string, address: string): NextHop => ({
  device,
  gateway: { address, family: address.includes(":") ? 6 : 4, onlink: false },
});
const FIBER = through("fiber", "192.0.2.1");
const MOBILE = through("mobile", "198.51.100.1");

async function withFake(
  runner: FakeRunner,
  test: (routes: ServerRoutes, journal: HostJournal) => Promise<void>,
  server = SERVER,
): Promise<void> {
  await using directory = await TestDirectory.create();
  const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
  await test(new ServerRoutes(journal, server), journal);
  await journal.undoAll();
}

const changes = (runner: FakeRunner) => runner.lines.filter((line) => !line.includes(" -j "));

Deno.test("ServerRoutes names gateways, links without one and on-link gateways", async () => {
  const runner = new FakeRunner().on("ip", "");
  await withFake(runner, async (routes) => {
    await routes.ensure(FIBER);
    await routes.ensure({ device: "modem", gateway: undefined });
    await routes.ensure({
      device: "cloud",
      gateway: { address: "10.0.0.1", family: 4, onlink: true },
    });
    await routes.ensure(through("exotic", "fe80::1"));
    await routes.ensure({ ...through("second", "10.1.0.1"), source: "10.1.0.7" });
  });
  assert.deepEqual(changes(runner), [
    "ip -4 route add 203.0.113.7/32 via 192.0.2.1 dev fiber metric 10 protocol 77",
    "ip -4 route add 203.0.113.7/32 dev modem scope link metric 10 protocol 77",
    "ip -4 route add 203.0.113.7/32 via 10.0.0.1 dev cloud onlink metric 10 protocol 77",
    "ip -4 route add 203.0.113.7/32 via inet6 fe80::1 dev exotic metric 10 protocol 77",
    "ip -4 route add 203.0.113.7/32 via 10.1.0.1 dev second src 10.1.0.7 metric 10 protocol 77",
    "ip -4 route del 203.0.113.7/32 via 10.1.0.1 dev second src 10.1.0.7 metric 10 protocol 77",
    "ip -4 route del 203.0.113.7/32 via inet6 fe80::1 dev exotic metric 10 protocol 77",
    "ip -4 route del 203.0.113.7/32 via 10.0.0.1 dev cloud onlink metric 10 protocol 77",
    "ip -4 route del 203.0.113.7/32 dev modem scope link metric 10 protocol 77",
    "ip -4 route del 203.0.113.7/32 via 192.0.2.1 dev fiber metric 10 protocol 77",
  ]);
});

Deno.test("ServerRoutes takes the next metric when one is taken, seen or not", async () => {
  const seen = JSON.stringify([{ dst: SERVER, dev: "eth9", metric: 10, flags: [] }]);
  const runner = new FakeRunner().on("ip", "").on("ip -4 -j route show exact", seen)
    .on("ip -4 route add 203.0.113.7/32 via 192.0.2.1 dev fiber metric 11 protocol 77", {
      code: 2,
      stderr: "RTNETLINK answers: File exists",
    });
  await withFake(runner, (routes) => routes.ensure(FIBER));
  assert.deepEqual(changes(runner).slice(1), [
    "ip -4 route add 203.0.113.7/32 via 192.0.2.1 dev fiber metric 12 protocol 77",
    "ip -4 route del 203.0.113.7/32 via 192.0.2.1 dev fiber metric 12 protocol 77",
  ]);
});

Deno.test("ServerRoutes is bounded, and refuses what is no address", async () => {
  const runner = new FakeRunner().on("ip", "")
    .on("ip -4 route add", { code: 2, stderr: "RTNETLINK answers: File exists" });
  await withFake(runner, async (routes, journal) => {
    await assert.rejects(routes.ensure(FIBER), /64 others are there/);
    await assert.rejects(routes.prefer("fiber"), /no route over it yet/);
    assert.throws(() => new ServerRoutes(journal, "vpn.example"), RangeError);
    await assert.rejects(routes.ensure({ device: "-x", gateway: undefined }), /cannot be the name/);
  });
});

Deno.test({
  name: "netns: bound sockets find the gateway of their link, others the preferred one",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("server-routes");
    const before = await machine.snapshot();
    const journal = await machine.openJournal();
    const way = async (server: string, device?: string) => {
      const family = server.includes(":") ? 6 : 4;
      if (device !== undefined) {
        return (await askKernel(machine.namespace, family, server, device))?.gateway?.address;
      }
      const text = await machine.namespace.sh(`ip -${family} route get ${server}`);
      return / via (\S+)/.exec(text)?.[1];
    };
    for (
      const [server, fiber, mobile] of [
        [SERVER, "192.0.2.1", "198.51.100.1"],
        [SERVER_6, "2001:db8:1::1", "2001:db8:2::1"],
      ] as const
    ) {
      const routes = new ServerRoutes(journal, server);
      await routes.ensure(through("fiber", fiber));
      await routes.ensure(through("mobile", mobile));
      const unchanged = await machine.snapshot();
      await routes.ensure(through("fiber", fiber));
      assert.equal(await machine.snapshot(), unchanged);
      assert.equal(await way(server, "fiber"), fiber);
      assert.equal(await way(server, "mobile"), mobile);
      assert.equal(await way(server), fiber);

      assert.ok(await routes.prefer("mobile"));
      assert.equal(await way(server), mobile);
      assert.ok(await routes.prefer("fiber"));
      assert.equal(await way(server), fiber);
      assert.ok(await routes.prefer("mobile"));

      // The kernel drops the routes of a link that goes down.
      await machine.namespace.sh("ip link set dev mobile down");
      assert.equal(await way(server), fiber);
      await machine.namespace.sh(`
        ip link set dev mobile up
        ip address replace 2001:db8:2::10/64 dev mobile nodad
      `);
      await routes.ensure(through("mobile", mobile));
      assert.equal(await way(server, "mobile"), mobile);
      assert.equal(await way(server), mobile);

      const moved = fiber.replace(/1$/, "99");
      await routes.ensure(through("fiber", moved));
      assert.equal(await way(server, "fiber"), moved);
      await routes.remove("mobile");
      assert.equal(await way(server), moved);
    }
    assert.deepEqual(await journal.undoAll(), []);
    await machine.namespace.sh(`
      ip route replace default via 198.51.100.1 metric 2000
      ip -6 route replace default via 2001:db8:2::1 metric 2000
    `);
    assert.equal(await machine.snapshot(), before);
  },
});

Deno.test({
  name: "netns: two clients share a server, and the routes somebody else had",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("two-clients");
    await machine.namespace.sh(`ip route add ${SERVER}/32 via 192.0.2.1 dev fiber metric 10`);
    const before = await machine.snapshot();
    const one = await machine.openJournal("one");
    const other = await machine.openJournal("other");
    const routes = [one, other].map((journal) => new ServerRoutes(journal, SERVER));
    for (const hop of [FIBER, MOBILE]) {
      await Promise.all(routes.map((each) => each.ensure(hop)));
    }
    assert.ok(await routes[0]!.prefer("mobile"));
    assert.ok(!await routes[1]!.prefer("fiber"));
    const shown = await machine.namespace.sh(`ip route show exact ${SERVER}/32`);
    assert.equal(shown.trim().split("\n").length, 7);

    await one.undoAll();
    const hop = await askKernel(machine.namespace, 4, SERVER, "mobile");
    assert.equal(hop?.gateway?.address, "198.51.100.1");
    other.close();
    assert.match((await machine.restoreStale()).join(), /undid 3 changes left by other/);
    assert.equal(await machine.snapshot(), before);
  },
});

Deno.test("ServerRoutes does one thing after the other: a preferred route follows its link", async () => {
  const runner = new FakeRunner().on("ip", "");
  await withFake(runner, async (routes) => {
    await routes.ensure(FIBER);
    await Promise.all([
      routes.prefer("fiber"),
      routes.ensure(through("fiber", "192.0.2.9")),
    ]);
  });
  assert.deepEqual(changes(runner).slice(0, 4), [
    "ip -4 route add 203.0.113.7/32 via 192.0.2.1 dev fiber metric 10 protocol 77",
    "ip -4 route add 203.0.113.7/32 via 192.0.2.1 dev fiber metric 1 protocol 77",
    "ip -4 route replace 203.0.113.7/32 via 192.0.2.9 dev fiber metric 10 protocol 77",
    "ip -4 route replace 203.0.113.7/32 via 192.0.2.9 dev fiber metric 1 protocol 77",
  ]);
});
