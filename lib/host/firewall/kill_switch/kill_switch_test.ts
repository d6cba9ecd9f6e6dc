import assert from "node:assert/strict";
import { adoptedServer, KillSwitch } from "./kill_switch.ts";
import {
  CONTROL_PORT,
  DATA_PORT,
  enableKillSwitch,
  openJournal,
  SERVER,
  SERVER6,
  SITE_OPTIONS,
  stateOf,
  STRANGER,
  STRANGER6,
  TestSite,
} from "./test_site.ts";

const OPTIONS = SITE_OPTIONS;
const BACKENDS = ["nft", "iptables"] as const;

/** Whether a packet passes that a mark sends on another way after the output hook. */
async function markedReaches(site: TestSite): Promise<boolean> {
  const { namespace } = site.machine;
  await namespace.sh(`
    ip route add ${STRANGER}/32 via 198.51.100.1
    ip route add default via 192.0.2.1 table 99
    ip rule add fwmark 9 table 99
    nft add table ip marks
    nft add chain ip marks output { type route hook output priority -150 ; }
    nft add rule ip marks output udp dport 99 meta mark set 9
  `);
  const reached = await site.reaches(namespace, STRANGER, 99);
  await namespace.sh(`
    nft delete table ip marks
    ip rule del fwmark 9 table 99
    ip route del default table 99
    ip route del ${STRANGER}/32
  `);
  return reached;
}

for (const backend of BACKENDS) {
  Deno.test({
    name: `netns: ${backend}: the kill switch lets out what it must, and nothing else`,
    ignore: Deno.uid() !== 0,
    fn: async () => {
      await using site = await TestSite.create();
      const { namespace } = site.machine;
      const before = await stateOf(site);
      for (const address of [STRANGER, STRANGER6]) {
        assert.ok(await site.reaches(namespace, address, 53), `${address} before`);
      }
      assert.ok(await site.reaches(site.lan, STRANGER, 53));
      assert.ok(await markedReaches(site));

      const journal = await openJournal(site, backend);
      const killSwitch = new KillSwitch(journal, OPTIONS);
      const notices = await killSwitch.enable();
      const about = (words: RegExp) => notices.filter((line) => words.test(line)).length;
      assert.equal(about(/public addresses/), 2, "those of the link, of both families");
      assert.equal(about(/nft/), backend === "nft" ? 0 : 1);

      for (const address of [STRANGER, STRANGER6]) {
        assert.ok(!await site.reaches(namespace, address, 53), `${address} from the machine`);
        assert.ok(!await site.reaches(site.lan, address, 53), `${address} from the network`);
      }
      for (const address of [SERVER, SERVER6]) {
        assert.ok(await site.reaches(namespace, address, CONTROL_PORT, "tcp"), address);
        assert.ok(!await site.reaches(namespace, address, DATA_PORT), `${address} too early`);
        assert.deepEqual(await killSwitch.allowDataPorts([DATA_PORT]), []);
        assert.ok(await site.reaches(namespace, address, DATA_PORT), address);
        for (const [port, protocol] of [[443, "tcp"], [DATA_PORT, "tcp"], [53, "udp"]] as const) {
          assert.ok(!await site.reaches(namespace, address, port, protocol), `${address} ${port}`);
        }
        assert.ok(!await site.reaches(site.lan, address, DATA_PORT), `${address} for others`);
        await killSwitch.allowDataPorts([9]);
      }
      // The links' own networks, neighbours that must be found anew, and the machine itself.
      await namespace.sh("ip neigh flush dev fiber");
      await namespace.sh("ip -6 neigh flush dev fiber");
      for (const address of ["10.77.0.1", "fd77::1", "10.9.0.2", "fd09::2", "127.0.0.1"]) {
        await site.ping(namespace, address);
      }
      await site.ping(site.lan, "10.9.0.1");
      // Into the tunnel goes everything, from the machine and the network behind it.
      await namespace.sh(`
        ip route add ${STRANGER}/32 via 198.51.100.1
        ip -6 route add ${STRANGER6}/128 via 2001:db8:2::1
      `);
      for (const from of [namespace, site.lan]) {
        for (const address of [STRANGER, STRANGER6]) {
          assert.ok(await site.reaches(from, address, 53, "udp", "mobile-far"), address);
        }
      }
      await namespace.sh(`
        ip route del ${STRANGER}/32
        ip -6 route del ${STRANGER6}/128
      `);

      assert.ok(!await markedReaches(site), "routed by a mark");
      for (const [value, isOut] of [[9, true], [8, false]] as const) {
        const mark = { value, mask: 0xffffffff };
        const beside = ["fiber", "mobile"].map((device) =>
          ({ device, family: 4, prefix: "0.0.0.0/0", mark }) as const
        );
        assert.deepEqual(await killSwitch.letOut(beside), []);
        assert.equal(await markedReaches(site), isOut, `let out by the mark ${value}`);
        assert.ok(!await site.reaches(namespace, STRANGER, 53), "without it");
      }
      assert.deepEqual(await journal.undoAll(), []);
      assert.equal(await stateOf(site), before);
      assert.ok(await site.reaches(namespace, STRANGER, 53), "afterwards");
    },
  });

  Deno.test({
    name: `netns: ${backend}: the kill switch outlives a crash, is taken over, and restored`,
    ignore: Deno.uid() !== 0,
    fn: async () => {
      await using site = await TestSite.create();
      const { namespace } = site.machine;
      const before = await stateOf(site);
      const crashed = await openJournal(site, backend);
      const first = new KillSwitch(crashed, OPTIONS);
      await first.enable();
      await crashed.apply({
        kind: "command",
        argv: ["ip", "route", "add", "198.18.7.0/24", "via", "192.0.2.1"],
        undo: ["ip", "route", "del", "198.18.7.0/24", "via", "192.0.2.1"],
      });
      crashed.close();
      assert.ok(!await site.reaches(namespace, STRANGER, 53));

      // Somebody else's start undoes the rest and leaves the kill switch.
      const others = await site.machine.restoreStale({ lasting: "leave" });
      assert.match(others.join(), /undid 1 change .*left \d+ changes? .* in place/);
      assert.equal(await namespace.sh("ip route show 198.18.7.0/24"), "");
      assert.ok(!await site.reaches(namespace, STRANGER, 53));

      // The next client takes it over and fails; it stays.
      const failing = await openJournal(site, backend);
      await site.machine.restoreStale({ lasting: failing });
      assert.deepEqual(adoptedServer(failing), {
        server: "vpn.example.com",
        addresses: [SERVER, SERVER6],
      });
      assert.ok(!await site.reaches(namespace, STRANGER, 53));
      assert.deepEqual(await failing.undoAll("leave"), []);
      assert.ok(!await site.reaches(namespace, STRANGER, 53));

      // The one after it, with another server, stops as asked.
      const journal = await openJournal(site, backend);
      await site.machine.restoreStale({ lasting: journal });
      const killSwitch = new KillSwitch(journal, { ...OPTIONS, addresses: [STRANGER] });
      await killSwitch.enable();
      assert.ok(await site.reaches(namespace, STRANGER, CONTROL_PORT, "tcp"));
      assert.ok(!await site.reaches(namespace, SERVER, CONTROL_PORT, "tcp"));
      assert.deepEqual(await journal.undoAll(), []);
      assert.equal(await stateOf(site), before);
      assert.deepEqual(await site.machine.directory.journals(), []);

      // `fluxify-client restore` lifts one that was left.
      const last = await openJournal(site, backend);
      await new KillSwitch(last, OPTIONS).enable();
      last.close();
      assert.match((await site.machine.restoreStale()).join(), /undid \d+ changes?/);
      assert.equal(await stateOf(site), before);
    },
  });
}

for (
  const [backend, removal] of [
    ["nft", "nft flush ruleset"],
    ["iptables", "iptables -t mangle -F\niptables -t mangle -X\nip6tables -t mangle -F"],
  ] as const
) {
  Deno.test({
    name: `netns: ${backend}: a kill switch that another program has removed is put back, and said`,
    ignore: Deno.uid() !== 0,
    fn: async () => {
      await using site = await TestSite.create();
      const { namespace } = site.machine;
      const { before, journal, killSwitch } = await enableKillSwitch(site, backend);
      const inForce = await stateOf(site);
      await namespace.sh(removal);
      assert.ok(await site.reaches(namespace, STRANGER, 53), "removed");
      assert.match((await killSwitch.follow()).join(), /removed the kill switch/);
      assert.equal(await stateOf(site), inForce);
      assert.deepEqual(await site.strangersReached(namespace), []);
      assert.deepEqual(await killSwitch.follow(), []);
      assert.deepEqual(await journal.undoAll(), []);
      assert.equal(await stateOf(site), before);
    },
  });
}

Deno.test({
  name: "netns: the kill switch changes from iptables to nft without a gap, and follows the links",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    await using site = await TestSite.create();
    const { namespace } = site.machine;
    const before = await stateOf(site);
    const crashed = await openJournal(site, "iptables");
    await new KillSwitch(crashed, OPTIONS).enable();
    crashed.close();

    const journal = await openJournal(site, "nft");
    await site.machine.restoreStale({ lasting: journal });
    const killSwitch = new KillSwitch(journal, OPTIONS);
    await killSwitch.enable();
    assert.doesNotMatch(await namespace.sh("iptables-save"), /fluxify-kill/);
    assert.ok(!await site.reaches(namespace, STRANGER, 53));

    await site.far.sh("ip address add 10.66.0.9/32 dev lo");
    await namespace.sh(`
      ip address add 10.66.0.1/24 dev fiber
      ip route add 10.66.0.9/32 via 192.0.2.1
    `);
    assert.ok(!await site.reaches(namespace, "10.66.0.9", 53), "before it follows");
    assert.deepEqual(await killSwitch.follow(), []);
    assert.ok(await site.reaches(namespace, "10.66.0.9", 53), "a network on the link");
    await namespace.sh(`
      ip address add 198.18.0.1/24 dev fiber
      ip route add ${STRANGER}/32 via 192.0.2.1
    `);
    assert.match(
      (await killSwitch.follow()).join(),
      /198\.18\.0\.0\/24 on fiber: these are public/,
    );
    assert.deepEqual(await killSwitch.follow(), [], "said once");
    assert.ok(!await site.reaches(namespace, STRANGER, 53), "public addresses are never local");
    await namespace.sh(`
      ip route del ${STRANGER}/32
      ip address del 198.18.0.1/24 dev fiber
      ip route del 10.66.0.9/32
      ip address del 10.66.0.1/24 dev fiber
    `);
    assert.deepEqual(await journal.undoAll(), []);
    assert.equal(await stateOf(site), before);
  },
});
