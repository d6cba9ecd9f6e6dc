import { deepEqual, match } from "node:assert/strict";
import { TestNamespace } from "../../../testing/test_namespace.ts";
import { TunKeeper } from "./tun_keeper.ts";

const WANTED = { ipv4: "10.8.0.2", prefix4: 24, ipv6: "fd00:8::2", prefix6: 64, mtu: 1400 };

Deno.test({
  name: "netns: TunKeeper puts back what another program takes from the device",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using machine = await TestNamespace.create("tun-keeper");
    await machine.sh("ip tuntap add dev fluxify mode tun");
    const keeper = new TunKeeper(machine, "fluxify");
    deepEqual(await keeper.look(), [], "before it has any");
    deepEqual(await keeper.configure(WANTED), []);
    const state = () => machine.sh("ip -o address show dev fluxify\nip -o link show dev fluxify");
    const flags = (text: string) => text.replaceAll(/^\d+:|NO-CARRIER,|state \w+|qlen \d+/gm, "");
    const before = flags(await state());
    deepEqual(await keeper.look(), []);
    const deeds: [string, RegExp][] = [
      ["ip address flush dev fluxify", /took addresses from fluxify/],
      ["ip -6 address flush dev fluxify", /took addresses/],
      ["ip address del 10.8.0.2/24 dev fluxify", /took addresses/],
      ["ip link set fluxify down", /set down fluxify/],
      [
        `sysctl -q -w net.ipv6.conf.fluxify.disable_ipv6=1
         sysctl -q -w net.ipv6.conf.fluxify.disable_ipv6=0`,
        /took addresses/,
      ],
    ];
    for (const [deed, words] of deeds) {
      await machine.sh(deed);
      match((await keeper.look()).join(), words, deed);
      deepEqual(flags(await state()), before, deed);
      deepEqual(await keeper.look(), [], deed);
    }
    await machine.sh("sysctl -q -w net.ipv6.conf.fluxify.disable_ipv6=1");
    match((await keeper.look()).join("\n"), /took addresses from fluxify\n.*carries IPv4 only/);
    deepEqual(await keeper.look(), [], "said once");
    deepEqual(keeper.hasIpv6, true, "it is missed");
    await machine.sh("sysctl -q -w net.ipv6.conf.fluxify.disable_ipv6=0");
    match((await keeper.look()).join(), /it is as before again/);
    deepEqual(flags(await state()), before);
    await machine.sh("ip tuntap del dev fluxify mode tun");
    deepEqual(await keeper.look(), [], "a device that is gone");
  },
});
