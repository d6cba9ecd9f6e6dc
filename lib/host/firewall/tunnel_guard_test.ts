import assert from "node:assert/strict";
import { FakeRunner } from "../../../testing/fake_runner.ts";
import { CommandError, type CommandRunner, MissingProgramError } from "../command/runner.ts";
import { HostJournal } from "../journal/host_journal.ts";
import { TestDirectory } from "../journal/test_directory.ts";
import { TestMachine } from "../journal/test_machine.ts";
import { TestCrossing, untilAll } from "./test_crossing.ts";
import { BACKENDS } from "./test_journal.ts";
import { guardChains, guardRules, guardTunnel } from "./tunnel_guard.ts";

const CLIENT = { tun: "fluxify", addresses: ["10.8.0.2", "fd00:8::2"] } as const;
/** The tunnel of TestCrossing. */
const SERVER = { tun: "srv", addresses: ["10.9.0.1", "fd00:9::1"] } as const;

async function openJournal(
  runner: CommandRunner,
  directory: TestDirectory,
): Promise<HostJournal> {
  return await HostJournal.open({ program: "t", runner, directory: directory.path });
}

Deno.test("a client's guard forwards as before", () => {
  const options = { ...CLIENT, forwarded: "anything" } as const;
  assert.doesNotMatch(guardChains(options).join(), /forward/);
  assert.ok(guardRules(4, options).every(({ chain }) => chain === "PREROUTING"));
  assert.deepEqual(guardRules(6, options).map(({ match }) => match[4]), ["fd00:8::2"]);
});

for (
  const [what, iptables] of [
    ["is missing", new MissingProgramError("iptables")],
    ["hangs", new CommandError(["iptables", "-V"], null, "", "no answer within 10000 ms")],
  ] as const
) {
  Deno.test(`without nft, and where iptables ${what}, the guard says what is not guarded`, async () => {
    await using directory = await TestDirectory.create();
    const nft = new MissingProgramError("nft");
    const runner = new FakeRunner().on("nft", nft).on("iptables", iptables)
      .on("ip6tables", iptables);
    const journal = await openJournal(runner, directory);
    const notices = await guardTunnel(journal, { ...SERVER, forwarded: "what clients asked for" });
    assert.deepEqual(
      notices.map((line) => /IPv[46] addresses: neither by nft .* nor by iptables/.exec(line)?.[0]),
      [4, 6].map((family) =>
        `IPv${family} addresses: neither by nft (${nft.message}) nor by iptables`
      ),
    );
    assert.ok(notices.every((line) => line.endsWith(`(${iptables.message})`)));
    assert.deepEqual(await journal.undoAll(), []);
  });
}

for (const [name, wrap] of Object.entries(BACKENDS)) {
  const needs = { ignore: Deno.uid() !== 0 };
  Deno.test({
    name: `netns: nobody on a link reaches the addresses inside the tunnel (${name})`,
    ...needs,
    async fn() {
      await using crossing = await TestCrossing.create();
      await using directory = await TestDirectory.create();
      // As the programs themselves set it, for links whose answers come another way.
      await crossing.server.namespace.sh(`
        sysctl -q -w net.ipv4.conf.all.rp_filter=2
        sysctl -q -w net.ipv4.conf.wan.rp_filter=2
      `);
      const reached = async () => {
        const pings = SERVER.addresses.map((address) =>
          crossing.internet.run(["ping", "-n", "-c", "1", "-W", "0.3", address])
        );
        return (await Promise.all(pings)).map(({ code }) => code === 0);
      };
      const fromTunnel = async () =>
        (await crossing.client.run(["ping", "-n", "-c", "1", "-W", "1", "10.9.0.1"])).code === 0 &&
        (await crossing.client.run(["ping", "-n", "-c", "1", "-W", "1", "fd00:9::1"])).code === 0;
      assert.deepEqual(await reached(), [true, true], "without the guard");

      const journal = await openJournal(wrap(crossing.server.namespace), directory);
      const options = { ...SERVER, forwarded: "anything" } as const;
      assert.deepEqual(await guardTunnel(journal, options), []);
      assert.deepEqual(await reached(), [false, false]);
      assert.ok(await fromTunnel(), "who comes through the tunnel gets an answer");
      const itself = await crossing.server.namespace.run(["ping", "-c", "1", "10.9.0.1"]);
      assert.equal(itself.code, 0, "and so does the machine itself");

      assert.deepEqual(await journal.undoAll(), []);
      assert.deepEqual(await reached(), [true, true]);
    },
  });

  Deno.test({
    name:
      `netns: only what clients asked for is forwarded to them, and what is redirected (${name})`,
    ...needs,
    async fn() {
      await using crossing = await TestCrossing.create();
      await using directory = await TestDirectory.create();
      const { client, server, internet } = crossing;
      const both = async (ask: (family: "v4" | "v6") => Promise<boolean>) => [
        await ask("v4"),
        await ask("v6"),
      ];
      // The first packet waits for its neighbour to be found.
      await untilAll(() => both((family) => crossing.isReached(family)));

      const journal = await openJournal(wrap(server.namespace), directory);
      const options = { ...SERVER, forwarded: "what clients asked for" } as const;
      assert.deepEqual(await guardTunnel(journal, options), []);
      assert.deepEqual(await both((family) => crossing.isReached(family)), [false, false]);
      assert.deepEqual(await both((family) => crossing.reaches(family)), [true, true]);

      // A second client behind the same device: the server passes its packets on.
      await client.sh("ip address add 10.9.0.3/32 dev lo");
      await server.namespace.sh("ip route add 10.9.0.3/32 dev srv");
      const redirect = "-i wan -p icmp -j DNAT --to-destination 10.9.0.2";
      await server.namespace.sh(`iptables -t nat -A PREROUTING ${redirect}`);
      const redirected = await internet.run(["ping", "-n", "-c", "1", "-W", "1", "203.0.113.1"]);
      assert.equal(redirected.code, 0, "port forwarding has a way in");

      assert.deepEqual(await journal.undoAll(), []);
      assert.deepEqual(await both((family) => crossing.isReached(family)), [true, true]);
    },
  });

  Deno.test({
    name: `netns: connections are opened to networks behind clients, and no others (${name})`,
    ...needs,
    async fn() {
      await using crossing = await TestCrossing.create();
      await using directory = await TestDirectory.create();
      await untilAll(async () => [await crossing.isReached("v4"), await crossing.isReached("v6")]);
      const journal = await openJournal(wrap(crossing.server.namespace), directory);
      const options = { ...SERVER, forwarded: "what clients asked for" } as const;
      const reached = async (behindClients: string[]) => {
        assert.deepEqual(await guardTunnel(journal, { ...options, behindClients }), []);
        return [await crossing.isReached("v4"), await crossing.isReached("v6")];
      };
      assert.deepEqual(await reached(["10.77.0.0/16"]), [false, false]);
      assert.deepEqual(await reached(["10.9.0.2/32", "10.77.0.0/16"]), [true, false]);
      assert.deepEqual(await reached(["10.9.0.2/32", "fd00:9::2/128"]), [true, true]);
      assert.deepEqual(await journal.undoAll(), []);
    },
  });

  Deno.test({
    name:
      `netns: the guard is put back when another program removes it, and leaves no trace (${name})`,
    ...needs,
    async fn() {
      await using machine = await TestMachine.create("guard");
      await using directory = await TestDirectory.create();
      const before = await machine.snapshot();
      const journal = await openJournal(wrap(machine.namespace), directory);
      const forwarded = "what clients asked for" as const;
      assert.deepEqual(await guardTunnel(journal, { ...CLIENT, forwarded }), []);
      const during = await machine.snapshot();
      assert.notEqual(during, before);
      assert.deepEqual(await journal.putBack(), []);
      await machine.namespace.sh(
        name === "nft" ? "nft flush ruleset" : ["iptables", "ip6tables"].flatMap((program) => [
          `${program} -t raw -F PREROUTING`,
          `${program} -t mangle -F FORWARD`,
        ]).join("\n"),
      );
      const programs = await journal.putBack();
      assert.match(programs.join(), name === "nft" ? /^nft$/ : /iptables/);
      assert.equal(await machine.snapshot(), during);
      assert.deepEqual(await journal.putBack(), []);
      assert.deepEqual(await journal.undoAll(), []);
      assert.equal(await machine.snapshot(), before);
      assert.deepEqual(await journal.putBack(), [], "what is undone stays so");
    },
  });
}

Deno.test({
  name: "netns: a guard that took another one's place is the one that is put back",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using machine = await TestMachine.create("guard");
    await using directory = await TestDirectory.create();
    const before = await machine.snapshot();
    const journal = await openJournal(machine.namespace, directory);
    const addresses = ["10.8.0.7", "fd00:8::7"];
    for (const options of [CLIENT, { ...CLIENT, addresses }]) {
      assert.deepEqual(await guardTunnel(journal, { ...options, forwarded: "anything" }), []);
    }
    const during = await machine.snapshot();
    await machine.namespace.sh("nft flush ruleset");
    assert.deepEqual(await journal.putBack(), ["nft"]);
    assert.equal(await machine.snapshot(), during);
    assert.deepEqual(await journal.undoAll(), []);
    assert.equal(await machine.snapshot(), before);
  },
});
