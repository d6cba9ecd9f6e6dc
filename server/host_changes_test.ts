import { deepEqual, equal, ok } from "node:assert/strict";
import type { CommandRunner } from "../lib/host/command/runner.ts";
import { HostJournal } from "../lib/host/journal/host_journal.ts";
import { TestMachine } from "../lib/host/journal/test_machine.ts";
import { TunKeeper } from "../lib/host/links/tun_keeper.ts";
import { CommandSysctl } from "../testing/command_sysctl.ts";
import { DEFAULT_NETWORK } from "../lib/protocol/wire/tunnel_network.ts";
import { changeHost } from "./host_changes.ts";

const OPTIONS = {
  tunName: "srv",
  egressInterface: null,
  mssClamp: { kind: "pmtu" },
  clientsReachEachOther: false,
  network: DEFAULT_NETWORK,
} as const;

Deno.test({
  name: "netns: a server's tunnel has no address, and nothing is forwarded, without the guard",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using machine = await TestMachine.create("hostchanges");
    const { namespace } = machine;
    await namespace.sh(`
      ip link delete tunnel
      ip tuntap add dev srv mode tun
      sysctl -q -w net.ipv4.ip_forward=0
      sysctl -q -w net.ipv6.conf.all.forwarding=0
    `);
    const seen: { isGuarded: boolean; isAddressed: boolean; forwards: boolean }[] = [];
    const look = async () => {
      const guard = await namespace.run(["nft", "list", "table", "inet", "fluxify_guard_srv"]);
      const addresses = await namespace.sh("ip -o address show dev srv scope global");
      const forwarding = await namespace.sh(
        "sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding",
      );
      seen.push({
        isGuarded: guard.code === 0,
        isAddressed: addresses !== "",
        forwards: forwarding.includes("1"),
      });
    };
    const runner: CommandRunner = {
      async run(argv, options) {
        const result = await namespace.run(argv, options);
        await look();
        return result;
      },
    };
    const journal = await HostJournal.open({
      program: "t",
      runner,
      sysctl: new CommandSysctl(runner),
      directory: machine.directory.path,
    });
    await changeHost(journal, new TunKeeper(runner, "srv"), OPTIONS);
    const unguarded = () => seen.filter(({ isGuarded }) => !isGuarded);
    deepEqual(seen.at(-1), { isGuarded: true, isAddressed: true, forwards: true });
    ok(unguarded().length > 0, "it was looked at before there was a guard");
    ok(unguarded().every(({ isAddressed, forwards }) => !isAddressed && !forwards));

    deepEqual(await journal.undoAll(), []);
    equal(seen.at(-1)?.isGuarded, false);
    ok(unguarded().every(({ forwards }) => !forwards), "forwarding ends before the guard does");
  },
});
