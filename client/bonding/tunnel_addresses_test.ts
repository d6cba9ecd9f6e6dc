import { deepEqual, equal, match } from "node:assert/strict";
import { FakeRunner } from "../../testing/fake_runner.ts";
import { TestNamespace } from "../../testing/test_namespace.ts";
import { CommandSysctl } from "../../testing/command_sysctl.ts";
import { TunnelAddresses } from "./tunnel_addresses.ts";

const PREFIXES = { prefix4: 24, prefix6: 64 };
const FIRST = { clientIp: "10.8.0.2", clientIp6: "fd00:8::2", ...PREFIXES };
const OTHERS = { clientIp: "10.8.0.3", clientIp6: "fd00:8::3", ...PREFIXES };
const MTU = () => 1400;

Deno.test("TunnelAddresses leaves the device alone when a session has the addresses of the last", async () => {
  const runner = new FakeRunner().on("ip", "");
  const addresses = new TunnelAddresses({ runner, sysctl: new CommandSysctl(runner) }, "tun0");
  equal(`${addresses}`, "");
  deepEqual(await addresses.use(FIRST, MTU), []);
  equal(`${addresses}`, "10.8.0.2 and fd00:8::2");
  runner.calls.length = 0;
  await addresses.use(FIRST, () => {
    throw new Error("asked for the MTU though nothing changes");
  });
  deepEqual(runner.lines, []);
});

Deno.test("TunnelAddresses names no IPv6 address that the machine has refused", async () => {
  const runner = new FakeRunner().on("ip", "").on("ip -6", { code: 2, stderr: "no IPv6" });
  const addresses = new TunnelAddresses({ runner, sysctl: new CommandSysctl(runner) }, "tun0");
  match((await addresses.use(FIRST, MTU)).join(), /IPv4 only/);
  equal(`${addresses}`, "10.8.0.2");
});

Deno.test({
  name: "netns: TunnelAddresses takes other addresses, and the traffic stays in the tunnel",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using machine = await TestNamespace.create("tunnel-addresses");
    await machine.addLink("fluxify");
    const host = { runner: machine, sysctl: new CommandSysctl(machine) };
    const addresses = new TunnelAddresses(host, "fluxify");
    await addresses.use(FIRST, MTU);
    const halves = ["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"];
    for (const half of halves) await machine.sh(`ip route add ${half} dev fluxify`);

    await addresses.use(OTHERS, MTU);
    equal(`${addresses}`, "10.8.0.3 and fd00:8::3");
    const shown = await machine.sh("ip -o address show dev fluxify scope global");
    deepEqual(shown.match(/inet6? \S+/g), ["inet 10.8.0.3/24", "inet6 fd00:8::3/64"]);
    for (const target of ["9.9.9.9", "203.0.113.1", "2001:db8::1", "a000::1"]) {
      match(await machine.sh(`ip route get ${target}`), / dev fluxify /);
    }

    await addresses.use({ ...OTHERS, clientIp: FIRST.clientIp }, MTU);
    match(await machine.sh("ip route get 9.9.9.9"), / dev fluxify .*src 10\.8\.0\.2 /);
    match(await machine.sh("ip route get 2001:db8::1"), /src fd00:8::3 /);
  },
});

Deno.test({
  name: "netns: an overlapping link gets one route, which is not made again and again",
  ignore: Deno.uid() !== 0,
  async fn() {
    await using machine = await TestNamespace.create("tunnel-overlap");
    await machine.addLink("wan", "10.8.0.77/24");
    await machine.addLink("fluxify");
    await machine.sh("ip address add fd00:8::77/64 dev wan nodad");
    const host = { runner: machine, sysctl: new CommandSysctl(machine) };
    const addresses = new TunnelAddresses(host, "fluxify");
    await addresses.use(FIRST, MTU);
    equal((await addresses.keep(MTU)).length, 2, "one for each family");
    for (const server of ["10.8.0.1", "fd00:8::1"]) {
      match(await machine.sh(`ip route get ${server}`), / dev fluxify /);
    }
    const news = new Deno.Command("ip", {
      args: ["netns", "exec", machine.name, "ip", "monitor", "route"],
      stdout: "piped",
    }).spawn();
    const heard = new Response(news.stdout).text();
    await machine.sh("ip route add 192.0.2.0/24 dev wan");
    for (let again = 0; again < 3; again++) deepEqual(await addresses.keep(MTU), []);
    await machine.sh("ip route del 10.8.0.1 dev fluxify\nip route add 10.8.0.1 dev wan");
    deepEqual(await addresses.keep(MTU), []);
    match(await machine.sh("ip route get 10.8.0.1"), / dev wan /, "a route of others is theirs");
    news.kill("SIGTERM");
    await news.status;
    equal(/fd00:8::1/.test(await heard), false, "nothing that is there is made anew");
  },
});
