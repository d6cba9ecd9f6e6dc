import assert from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { type CommandRunner, MissingProgramError } from "../command/runner.ts";
import { HostJournal } from "../journal/host_journal.ts";
import { TestDirectory } from "../journal/test_directory.ts";
import { forwardChain, type ForwardedPort, forwardRules, PortForwards } from "./port_forwards.ts";
import { TestCrossing } from "./test_crossing.ts";
import { BACKENDS } from "./test_journal.ts";
import { guardTunnel } from "./tunnel_guard.ts";

/** The tunnel of TestCrossing. */
const TUN = "srv";
const WEB4: ForwardedPort = {
  protocol: "tcp",
  port: 8080,
  toAddress: "10.9.0.2",
  toPort: 5201,
  from: null,
};
const WEB6 = { ...WEB4, toAddress: "fd00:9::2" };

Deno.test("a rule for each port and family, with the prefix that it is for", () => {
  const ports = [WEB4, { ...WEB6, from: "2001:db8::/32" }];
  assert.match(
    forwardChain(TUN, ports),
    /iifname != "srv" meta nfproto ipv4 fib daddr type local tcp dport 8080 dnat ip to 10\.9\.0\.2:5201\n.*ipv6 ip6 saddr 2001:db8::\/32 fib .* dnat ip6 to \[fd00:9::2\]:5201\n/,
  );
  const [rule] = forwardRules(TUN, 6, ports);
  assert.deepEqual(rule!.target, ["DNAT", "--to-destination", "[fd00:9::2]:5201"]);
  assert.deepEqual(rule!.match.slice(0, 9), [
    ...["!", "-i", "srv", "-p", "tcp", "--dport", "8080", "-s", "2001:db8::/32"],
  ]);
});

Deno.test("without nft and iptables the families that are missing are said, once each", async () => {
  await using directory = await TestDirectory.create();
  const runner = new FakeRunner();
  for (const program of ["nft", "iptables", "ip6tables"]) {
    runner.on(program, new MissingProgramError(program));
  }
  const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
  const forwards = new PortForwards(journal, TUN);
  const notices = await forwards.set([WEB4]);
  assert.equal(notices.length, 1, "no port goes over IPv6");
  assert.match(
    notices[0]!.notice,
    /^cannot forward ports over IPv4: neither by nft .* nor by iptables/,
  );
  assert.deepEqual(await forwards.set([]), []);
  assert.deepEqual(await journal.undoAll(), []);
});

for (const [name, wrap] of Object.entries(BACKENDS)) {
  Deno.test({
    name: `netns: a port of the server leads to the client, as long as it is to (${name})`,
    ignore: Deno.uid() !== 0,
    async fn() {
      await using crossing = await TestCrossing.create();
      await using directory = await TestDirectory.create();
      const { server } = crossing;
      const runner = wrap(server.namespace);
      const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
      const addresses = ["10.9.0.1", "fd00:9::1"];
      const guard = { tun: TUN, addresses, forwarded: "what clients asked for" } as const;
      const before = await server.snapshot();
      assert.deepEqual(await guardTunnel(journal, guard), []);
      const forwards = new PortForwards(journal, TUN);
      const reached = async (port: number) => [
        await crossing.reachesClientAt("v4", port),
        await crossing.reachesClientAt("v6", port),
      ];

      assert.deepEqual(await forwards.set([WEB4, WEB6]), []);
      assert.deepEqual(await reached(8080), [true, true]);
      // In the place of the first, and for others than who asks.
      const away = { ...WEB4, port: 8081, from: "198.51.100.0/24" };
      assert.deepEqual(await forwards.set([away, { ...WEB6, from: "2001:db8:7::/64" }]), []);
      assert.deepEqual(await reached(8080), [false, true]);
      assert.deepEqual(await reached(8081), [false, false]);
      // Again, as after a client's first connection, with a rule that stays.
      assert.deepEqual(await forwards.set([WEB4, { ...WEB6, from: "2001:db8:7::/64" }]), []);
      assert.deepEqual(await reached(8080), [true, true]);

      await server.namespace.sh(
        name === "nft"
          ? "nft flush ruleset"
          : "iptables -t nat -F PREROUTING\nip6tables -t nat -F PREROUTING",
      );
      assert.deepEqual(await reached(8080), [false, false]);
      assert.match((await journal.putBack()).join(), name === "nft" ? /nft/ : /iptables/);
      assert.deepEqual(await reached(8080), [true, true]);

      assert.deepEqual(await forwards.set([]), []);
      assert.deepEqual(await reached(8080), [false, false]);
      assert.deepEqual(await forwards.set([WEB4]), []);
      assert.deepEqual(await journal.undoAll(), []);
      assert.equal(await server.snapshot(), before);
    },
  });
}

Deno.test({
  name: "netns: a rule that could not be taken away for a while goes with the next call",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using crossing = await TestCrossing.create();
    await using directory = await TestDirectory.create();
    const inner = BACKENDS["iptables"]!(crossing.server.namespace);
    let isHeld = false;
    const runner: CommandRunner = {
      run: (argv, options) =>
        isHeld && argv.includes("-D")
          ? Promise.resolve({ code: 4, stdout: "", stderr: "Another app holds the xtables lock" })
          : inner.run(argv, options),
    };
    const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
    const forwards = new PortForwards(journal, TUN);
    const second = { ...WEB4, port: 8081 };
    assert.deepEqual(await forwards.set([WEB4, second]), []);
    isHeld = true;
    await assert.rejects(forwards.set([second]), /xtables lock/);
    isHeld = false;
    assert.deepEqual(await forwards.set([second]), []);
    assert.equal(await crossing.reachesClientAt("v4", 8080), false);
    assert.equal(await crossing.reachesClientAt("v4", 8081), true);
    assert.deepEqual(await forwards.set([]), []);
    assert.equal(await crossing.reachesClientAt("v4", 8081), false);
    assert.deepEqual(await journal.undoAll(), []);
  },
});
