/** What is refused, what is followed, and what is said. */
import { deepEqual, equal, match } from "node:assert/strict";
import { type Child, needsRoot } from "../netns/namespace.ts";
import { addressOf, BalanceLab, equalStates, INTERVAL_MS, SERVER } from "./balance_lab.ts";
import { until } from "../../testing/until.ts";

const LIMIT_MS = 10_000;
const STOP_TIMEOUT_MS = 10_000;

Deno.test({
  name: "netns: an interface without a gateway is waited for, a family without enough left alone",
  ...needsRoot(),
  fn: async () => {
    await using lab = await BalanceLab.create();
    const before = await lab.state();
    const waiting = lab.spawn("-ifaces", "wan1,lan0,wan9");
    await waiting.waitForLine(
      /lan0 has no IPv4 gateway and has no IPv6 gateway: it is used when/,
      LIMIT_MS,
    );
    await waiting.waitForLine(/wan9 is not there: .*; this machine has: .*wan1, wan2/, LIMIT_MS);
    await waiting.waitForLine(/waits for uplinks/, LIMIT_MS);
    equal(await waiting.stop("SIGTERM", STOP_TIMEOUT_MS), 0);
    equalStates(await lab.state(), before);

    await lab.machine.run("ip", "-6", "route", "del", "default", "dev", "wan2");
    const bare = await lab.state();
    // Without -ifaces: all that have a gateway.
    const client = await lab.start("-ifaces", "");
    await client.waitForLine(/IPv6 is left alone: only wan1 has an IPv6 gateway/, LIMIT_MS);
    await client.waitForLine(/balances IPv4 over wan1, wan2/, LIMIT_MS);
    equal((await lab.machine.run("ip", "-6", "rule")).stdout.includes("proto 77"), false);
    equal((await lab.machine.run("ip6tables-save")).stdout.includes("fluxify"), false);

    // A family that gets its second gateway later, as by router advertisements, is taken in.
    await lab.machine.run(
      ..."ip -6 route add default via fd02::1 dev wan2 metric 200".split(" "),
    );
    await client.waitForLine(/IPv6 goes over wan1 \(weight \d+\), wan2/, LIMIT_MS);
    await lab.machine.run(..."ip -6 route del default dev wan2 metric 200".split(" "));
    await client.waitForLine(/wan2 is out for IPv6: has no IPv6 gateway/, LIMIT_MS);
    equal(await client.stop("SIGTERM", STOP_TIMEOUT_MS), 0);
    equalStates(await lab.state(), bare);
  },
});

Deno.test({
  name: "netns: gateways are followed, and nobody's routes are touched",
  ...needsRoot(),
  fn: async () => {
    await using lab = await BalanceLab.create();
    await lab.routers.wan1.run("ip", "address", "add", "10.1.0.3/24", "dev", "lan");
    const client = await lab.start("-weights", "wan1=1,wan2=1");
    const route = async (table: number | "main") =>
      (await lab.machine.run("ip", "route", "show", "table", String(table))).stdout;
    const change = async (words: string, expected: RegExp) => {
      const from = client.lineCount;
      await lab.machine.run(...`ip route ${words} dev wan1 metric 100`.split(" "));
      await client.waitForLine(expected, LIMIT_MS, from);
    };
    // As a DHCP client does it with a new lease.
    await change("replace default via 10.1.0.3", /the IPv4 gateway of wan1 is 10\.1\.0\.3/);
    await lab.connections(lab.machine, 4, 10);
    await untilSeen(() => route(7701), /10\.1\.0\.3/);
    match(await route("main"), /10\.1\.0\.3 dev wan1/);
    await change("del default via 10.1.0.3", /IPv4 goes over wan2 \(weight 1\)$/);
    await client.waitForLine(/wan1 is out for IPv4: has no IPv4 gateway/, LIMIT_MS);
    deepEqual(await lab.connections(lab.machine, 4, 10), { wan1: 0, wan2: 10 });
    await change("add default via 10.1.0.1", /wan1 is back for IPv4/);

    // As WireGuard sends everything into its tunnel, but its own packets, which have its mark.
    const vpnRule = "not fwmark 51820 table 51820";
    await lab.machine.run(..."ip route add default dev lo table 51820".split(" "));
    await lab.machine.run(..."ip rule add".split(" "), ...vpnRule.split(" "));
    const ping = ["ping", "-m", "51820", "-i", "0.2", "-c", "4", "-W", "1", SERVER[4]];
    match((await lab.machine.run(...ping)).stdout, /4 received/);
    await lab.machine.run(..."ip rule del".split(" "), ...vpnRule.split(" "));

    // What others do meanwhile is theirs, and stays.
    await lab.machine.run(..."ip rule add from 192.0.2.77 table 77 priority 500".split(" "));
    await lab.machine.run(..."ip route add 192.0.2.0/24 via 10.1.0.1 dev wan1".split(" "));
    await lab.machine.run(
      ..."iptables -t nat -A POSTROUTING -o lan0 -j MASQUERADE".split(" "),
    );
    equal(await client.stop("SIGTERM", STOP_TIMEOUT_MS), 0);
    const after = await lab.state();
    match(after, /192\.0\.2\.77 lookup 77/);
    match(after, /192\.0\.2\.0\/24 via 10\.1\.0\.1 dev wan1/);
    match(after, /-A POSTROUTING -o lan0 -j MASQUERADE/);
    equal(after.includes("fluxify"), false);
    equal(after.includes("proto 77"), false);
  },
});

Deno.test({
  name: "netns: leases without a metric are followed, whether they add their route or replace one",
  ...needsRoot(),
  fn: async () => {
    await using lab = await BalanceLab.create();
    await lab.routers.wan1.run("ip", "address", "add", "10.1.0.3/24", "dev", "lan");
    const ip = (words: string) => lab.machine.run("ip", ...words.split(" "));
    const defaults = async () => (await ip("route show default")).stdout.replaceAll(/\s+/g, " ");
    await ip("route del default dev wan1");
    await ip("route add default via 10.1.0.1 dev wan1 proto dhcp");
    const client = await lab.start("-weights", "wan1=1,wan2=1");
    const balancedOver = (gateway: string) =>
      new RegExp(
        `^default proto 77 metric 1 nexthop via ${gateway} dev wan1 weight 1 ` +
          "nexthop via 10.2.0.1 dev wan2 weight 1 default via 10.2.0.1 dev wan2 metric 200 $",
      );
    match(await defaults(), balancedOver("10.1.0.1"));
    for (const [verb, gateway] of [["add", "10.1.0.3"], ["replace", "10.1.0.1"]] as const) {
      const from = client.lineCount;
      await ip(`route ${verb} default via ${gateway} dev wan1 proto dhcp`);
      await client.waitForLine(
        new RegExp(`the IPv4 gateway of wan1 is ${gateway}`),
        LIMIT_MS,
        from,
      );
      await untilSeen(defaults, balancedOver(gateway));
    }
    // Another network altogether: the old address goes, and the old gateway with it.
    await lab.routers.wan1.run("ip", "address", "add", "10.7.0.1/24", "dev", "lan");
    await ip("-4 address flush dev wan1");
    await client.waitForLine(/wan1 is out for IPv4: has no IPv4 address/, LIMIT_MS);
    await ip("address add 10.7.0.2/24 dev wan1");
    await ip("route add default via 10.7.0.1 dev wan1 proto dhcp");
    await client.waitForLine(/wan1 is back for IPv4/, LIMIT_MS);
    await untilSeen(defaults, balancedOver("10.7.0.1"));

    // What somebody sends elsewhere goes there.
    await ip("route add default dev lan0 scope link");
    await client.waitForLine(
      /IPv4 route goes before the balanced ones: default dev lan0/,
      LIMIT_MS,
    );
    match(await defaults(), /^default dev lan0 scope link default proto 77 metric 1 /);
    await ip("route del default dev lan0");
    equal(await client.stop("SIGTERM", STOP_TIMEOUT_MS), 0);
    equal(
      await defaults(),
      "default via 10.7.0.1 dev wan1 proto dhcp default via 10.2.0.1 dev wan2 metric 200 ",
    );
  },
});

async function untilSeen(look: () => Promise<string>, expected: RegExp): Promise<void> {
  await until(`${expected} is seen`, async () => expected.test(await look()));
}

/** The uplink that is used for IPv4 once both have answered. */
async function chosen(client: Child): Promise<"wan1" | "wan2"> {
  return await until("an uplink is chosen", async () => {
    const from = client.lineCount;
    client.signal("SIGUSR2");
    const lines = [];
    for (const name of ["wan1", "wan2"] as const) {
      const status = new RegExp(`(${name}): .*; IPv4 healthy, weight (\\d) .*?RTT (\\S+)`);
      lines.push(await client.waitForLine(status, LIMIT_MS, from));
    }
    await client.waitForLine(/all uplinks:/, LIMIT_MS, from);
    const best = lines.find(([, , weight]) => weight === "1")?.[1];
    const isKnown = lines.every(([, , , rtt]) => rtt !== "unknown");
    return isKnown && (best === "wan1" || best === "wan2") ? best : null;
  });
}

Deno.test({
  name: "netns: the best uplink carries everything until it fails",
  ...needsRoot(),
  fn: async () => {
    await using lab = await BalanceLab.create();
    const client = await lab.start("-balance", "best");
    const best = await chosen(client);
    const other = best === "wan1" ? "wan2" : "wan1";
    await untilSeen(
      async () => (await lab.machine.run("ip", "route", "show", "default")).stdout,
      new RegExp(`^default via \\S+ dev ${best} proto 77 metric 1 `),
    );
    for (const from of [lab.machine, lab.lan]) {
      const seen = await lab.connections(from, 4, 20);
      equal(seen[best], 20);
    }
    const from = client.lineCount;
    await lab.silence(best);
    const limitMs = 3 * INTERVAL_MS + 2_000;
    await client.waitForLine(new RegExp(`IPv4 goes over ${other} \\(weight 1\\)$`), limitMs, from);
    equal((await lab.connections(lab.machine, 4, 20))[other], 20);
    equal(await client.stop("SIGTERM", STOP_TIMEOUT_MS), 0);
  },
});

Deno.test({
  name: "netns: uplinks with one external address are warned of, others are not",
  ...needsRoot(),
  fn: async () => {
    await using lab = await BalanceLab.create();
    const told = (child: Child, uplink: "wan1" | "wan2", address: string) =>
      child.waitForLine(new RegExp(`external address of ${uplink}: .*${address}`), LIMIT_MS);
    const same = await lab.start("-external-ip-url", `http://${SERVER[4]}/one-address`);
    await same.waitForLine(
      /wan1 and wan2 have the same external address 198\.51\.100\.9: .*gains little/,
      LIMIT_MS,
    );
    equal(await same.stop("SIGTERM", STOP_TIMEOUT_MS), 0);
    equal(same.output("stderr").match(/the same external address/g)?.length, 1);

    const different = await lab.start("-external-ip-url", `http://${SERVER[4]}/`);
    for (const uplink of ["wan1", "wan2"] as const) {
      await told(different, uplink, addressOf(4, uplink));
    }
    equal(await different.stop("SIGTERM", STOP_TIMEOUT_MS), 0);
    equal(different.output("stderr").includes("same external address"), false);
  },
});

Deno.test({
  name: "netns: what takes the traffic from the uplinks is named when it comes",
  ...needsRoot(),
  fn: async () => {
    await using lab = await BalanceLab.create();
    const client = await lab.start();
    const from = client.lineCount;
    await lab.machine.run(..."ip route add default dev lan0 table 100".split(" "));
    await lab.machine.run(..."ip rule add pref 2000 from all lookup 100".split(" "));
    await client.waitForLine(
      /IPv4 traffic goes to lan0 by the routing table 100, not over the uplinks/,
      LIMIT_MS,
      from,
    );
    equal(await client.stop("SIGTERM", STOP_TIMEOUT_MS), 0);
  },
});
