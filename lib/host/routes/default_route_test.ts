import assert from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { HostJournal } from "../journal/host_journal.ts";
import { TestDirectory } from "../journal/test_directory.ts";
import { TestMachine } from "../journal/test_machine.ts";
import { DefaultRoute, refuseTunnelRoutes } from "./default_route.ts";

Deno.test("DefaultRoute takes back what it did when the rest fails", async () => {
  await using directory = await TestDirectory.create();
  const runner = new FakeRunner().on("ip", "")
    .on("ip -4 route add 128.0.0.0/1", { code: 2, stderr: "RTNETLINK answers: File exists" });
  const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
  const route = new DefaultRoute(journal, "tunnel");
  await assert.rejects(route.enable([4]), /stop the other VPN/);
  assert.equal(runner.lines.at(-1), "ip -4 route del 0.0.0.0/1 dev tunnel scope link protocol 77");
  assert.deepEqual(await journal.undoAll(), []);
});

Deno.test("DefaultRoute names the part that is taken, whatever kind of route has it", async () => {
  await using directory = await TestDirectory.create();
  const runner = new FakeRunner().on("ip", "")
    .on("ip -4 route add 0.0.0.0/1", { code: 2, stderr: "RTNETLINK answers: File exists" })
    .on("ip -4 -j route show exact", '[{"type":"blackhole","dst":"0.0.0.0/1","flags":[]}]');
  const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
  await assert.rejects(
    new DefaultRoute(journal, "tunnel").enable([4]),
    /a route to 0\.0\.0\.0\/1 is there already, on no device; /,
  );
});

Deno.test("DefaultRoute stands behind another tunnel where it may", async () => {
  await using directory = await TestDirectory.create();
  const present = (family: 4 | 6, metric: number) =>
    [
      `ip -${family} -j route show exact`,
      JSON.stringify([{ dst: "x", dev: "tun0", metric }]),
    ] as const;
  const runner = new FakeRunner().on("ip", "").on(...present(4, 0)).on(...present(6, 1024));
  const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
  const route = new DefaultRoute(journal, "tunnel", "go behind");
  assert.equal(route.ahead, null);
  await route.enable([4]);
  assert.equal(route.ahead, "tun0");
  assert.deepEqual(runner.lines.filter((line) => line.includes(" add ")), [
    "ip -4 route add 0.0.0.0/1 dev tunnel scope link metric 1 protocol 77",
    "ip -4 route add 128.0.0.0/1 dev tunnel scope link metric 1 protocol 77",
  ]);
  assert.deepEqual(await journal.undoAll(), []);
  assert.equal(
    runner.lines.at(-1),
    "ip -4 route del 0.0.0.0/1 dev tunnel scope link metric 1 protocol 77",
  );
});

Deno.test({
  name: "netns: DefaultRoute makes its routes again that somebody has removed",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("default-route");
    const { namespace } = machine;
    const before = await machine.snapshot();
    const journal = await machine.openJournal();
    const route = new DefaultRoute(journal, "tunnel");
    assert.deepEqual(await route.follow(), [], "not yet in use");
    await route.enable();
    const during = await machine.snapshot();
    assert.deepEqual(await route.follow(), []);
    await namespace.sh(`
      ip route del 0.0.0.0/1
      ip route del 128.0.0.0/1
      ip -6 route del 8000::/1 dev tunnel
    `);
    assert.match((await route.follow()).join(), /removed the routes into the tunnel/);
    assert.equal(await machine.snapshot(), during);
    assert.deepEqual(await route.follow(), []);
    assert.deepEqual(await journal.undoAll(), []);
    assert.equal(await machine.snapshot(), before);
  },
});

Deno.test({
  name: "netns: DefaultRoute turns all but the links' own networks into the tunnel",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("default-route");
    const before = await machine.snapshot();
    const deviceTo = async (address: string) => {
      const text = await machine.namespace.sh(`ip route get ${address}`);
      return / dev (\S+)/.exec(text)?.[1];
    };
    const journal = await machine.openJournal();
    const route = new DefaultRoute(journal, "tunnel");
    assert.deepEqual(await route.enable(), []);
    for (const address of ["8.8.8.8", "198.18.0.1", "2001:db8:77::1", "fd12::1"]) {
      assert.equal(await deviceTo(address), "tunnel", address);
    }
    assert.equal(await deviceTo("192.0.2.55"), "fiber");
    assert.equal(await deviceTo("2001:db8:2::55"), "mobile");

    // DHCP renews the default route meanwhile, and a second client wants the traffic too.
    await machine.namespace.sh("ip route replace default via 192.0.2.1");
    const during = await machine.snapshot();
    const other = await machine.openJournal("other");
    await assert.rejects(new DefaultRoute(other, "fiber").enable(), /0\.0\.0\.0\/1.*on tunnel/);
    await other.undoAll();
    assert.equal(await machine.snapshot(), during);

    await route.disable();
    assert.equal(await machine.snapshot(), before);
    await route.enable([6]);
    assert.equal(await deviceTo("8.8.8.8"), "fiber");
    assert.deepEqual(await journal.undoAll(), []);
    assert.equal(await machine.snapshot(), before);
  },
});

Deno.test({
  name:
    "netns: DefaultRoute leaves default routes of every kind as they are, also when they change",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("default-route");
    const { namespace } = machine;
    await namespace.sh(`
      ip route add default via 10.99.0.1 dev fiber onlink metric 50 proto static
      ip route add default via 198.51.100.1 dev mobile metric 300 proto dhcp src 198.51.100.10
      ip route add default metric 400 nexthop via 192.0.2.1 weight 3 nexthop via 198.51.100.1 weight 1
      ip route add default dev mobile scope link metric 500
      ip route add default via 192.0.2.1 dev fiber table 102
      ip route add unreachable default metric 4000
      ip -6 route add default via fe80::1 dev fiber metric 50 proto ra expires 1800
      ip -6 route add default via 2001:db8:1::9 dev fiber table 102
    `);
    const withoutAge = async () => (await machine.snapshot()).replace(/ expires \d+sec/g, "");
    const before = await withoutAge();
    const journal = await machine.openJournal();
    await new DefaultRoute(journal, "tunnel").enable();
    assert.match(await namespace.sh("ip route get 8.8.8.8"), / dev tunnel /);
    const parts = /^.*(0\.0\.0\.0\/1|128\.0\.0\.0\/1|::\/1|8000::\/1|2000::\/4|3000::\/4) .*\n/gm;
    assert.equal((await withoutAge()).replace(parts, ""), before);

    // A lease is renewed, another one changes its gateway, and one ends.
    const changes = `
      ip route replace default via 192.0.2.1
      ip route replace default via 198.51.100.9 dev mobile metric 300 proto dhcp src 198.51.100.10
      ip route del default via 10.99.0.1 dev fiber metric 50
    `;
    await namespace.sh(changes);
    assert.match(await namespace.sh("ip route get 8.8.8.8"), / dev tunnel /);
    const during = (await withoutAge()).replace(parts, "");
    assert.deepEqual(await journal.undoAll(), []);
    assert.equal(await withoutAge(), during);
    assert.match(during, /default via 198\.51\.100\.9 dev mobile proto dhcp/);
    assert.doesNotMatch(during, /10\.99\.0\.1/);
  },
});

Deno.test({
  name: "netns: DefaultRoute leads into the tunnel what a default route of 2000::/3 carried",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("default-route");
    const { namespace } = machine;
    await namespace.sh("ip -6 route add 2000::/3 via 2001:db8:1::9 dev fiber");
    const journal = await machine.openJournal();
    assert.match(await namespace.sh("ip route get 2606:4700::1111"), / dev fiber /);
    await new DefaultRoute(journal, "tunnel").enable();
    for (const address of ["2606:4700::1111", "3fff::1", "64:ff9b::1"]) {
      assert.match(await namespace.sh(`ip route get ${address}`), / dev tunnel /);
    }
    assert.deepEqual(await journal.undoAll(), []);
    assert.match(await namespace.sh("ip route get 2606:4700::1111"), / dev fiber /);
  },
});

Deno.test({
  name: "netns: DefaultRoute says when the tunnel has no IPv6, and survives a tunnel that is gone",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using machine = await TestMachine.create("default-route");
    await machine.namespace.sh("sysctl -q -w net.ipv6.conf.tunnel.disable_ipv6=1");
    const journal = await machine.openJournal();
    const [notice] = await new DefaultRoute(journal, "tunnel").enable();
    assert.match(notice!, /IPv6 is switched off on tunnel/);
    await machine.namespace.sh("ip link delete dev tunnel");
    assert.deepEqual(await journal.undoAll(), []);
  },
});

Deno.test("refuseTunnelRoutes() names the tunnel that has all traffic", async () => {
  const seen = '[{"dst":"0.0.0.0/1","dev":"fluxify","flags":[]}]';
  const runner = new FakeRunner().on("ip", "[]").on("ip -4 -j route show exact", seen);
  await assert.rejects(
    refuseTunnelRoutes(runner, 4),
    /^Error: Cannot balance: a route to 0\.0\.0\.0\/1 on fluxify takes all traffic into a tunnel/,
  );
  await refuseTunnelRoutes(runner, 6);
});
