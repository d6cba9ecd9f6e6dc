/** What is refused, what is followed, and what is said. */
import { deepEqual, equal, match } from "node:assert/strict";
import { type Child, needsRoot } from "../netns/namespace.ts";
import { addressOf, BalanceLab, equalStates, INTERVAL_MS, SERVER } from "./balance_lab.ts";

const LIMIT_MS = 10_000;
const STOP_TIMEOUT_MS = 10_000;

/** How a program that is refused ends. */
async function refusal(child: Child): Promise<string> {
  const timer = setTimeout(() => child.signal("SIGKILL"), LIMIT_MS);
  equal((await child.ended).code, 1);
  clearTimeout(timer);
  return child.tail();
}

Deno.test({
  name: "netns: an interface without a gateway is refused, a family without enough left alone",
  ...needsRoot(),
  fn: async () => {
    await using lab = await BalanceLab.create();
    const before = await lab.state();
    match(
      await refusal(lab.spawn("-ifaces", "wan1,lan0")),
      /Cannot balance over lan0: it has no IPv4 gateway and has no IPv6 gateway/,
    );
    match(await refusal(lab.spawn("-ifaces", "wan1,wan9")), /no interface named wan9/);
    equalStates(await lab.state(), before);

    await lab.machine.run("ip", "-6", "route", "del", "default", "dev", "wan2");
    const bare = await lab.state();
    // Without -ifaces: all that have a gateway.
    const client = await lab.start("-ifaces", "");
    await client.waitForLine(/IPv6 is left alone: only wan1 has an IPv6 gateway/, LIMIT_MS);
    await client.waitForLine(/balances IPv4 over wan1, wan2/, LIMIT_MS);
    equal((await lab.machine.run("ip", "-6", "rule")).stdout.includes("7700"), false);
    equal((await lab.machine.run("ip6tables-save")).stdout.includes("fluxify"), false);

    // A family that gets its second gateway later, as by router advertisements, is taken in.
    await lab.machine.run(
      ..."ip -6 route add default via fd02::1 dev wan2 metric 200".split(" "),
    );
    await client.waitForLine(/IPv6 goes over wan1 \(\d+\), wan2/, LIMIT_MS);
    await lab.machine.run("ip", "-6", "route", "del", "default", "dev", "wan2");
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
    const route = async (table: number) =>
      (await lab.machine.run("ip", "route", "show", "table", String(table))).stdout;
    const change = async (words: string, expected: RegExp) => {
      const from = client.lineCount;
      await lab.machine.run(...`ip route ${words} dev wan1 metric 100`.split(" "));
      await client.waitForLine(expected, LIMIT_MS, from);
    };
    // As a DHCP client does it with a new lease.
    await change("replace default via 10.1.0.3", /the IPv4 gateway of wan1 is 10\.1\.0\.3/);
    await lab.connections(lab.machine, 4, 10);
    for (let attempt = 0; !(await route(7701)).includes("10.1.0.3"); attempt++) {
      if (attempt === 50) throw new Error(await route(7701));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    match(await route(7700), /10\.1\.0\.3 dev wan1/);
    await change("del default via 10.1.0.3", /IPv4 goes over wan2 \(1\)$/);
    await client.waitForLine(/wan1 is out for IPv4: has no IPv4 gateway/, LIMIT_MS);
    deepEqual(await lab.connections(lab.machine, 4, 10), { wan1: 0, wan2: 10 });
    await change("add default via 10.1.0.1", /wan1 is back for IPv4/);

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
  name: "netns: the best uplink carries everything until it fails",
  ...needsRoot(),
  fn: async () => {
    await using lab = await BalanceLab.create();
    const client = await lab.start("-balance", "best");
    const [, best = ""] = await client.waitForLine(/IPv4 goes over (wan[12]) \(1\)$/, LIMIT_MS);
    const other = best === "wan1" ? "wan2" : "wan1";
    for (const from of [lab.machine, lab.lan]) {
      const seen = await lab.connections(from, 4, 20);
      equal(seen[best as "wan1"], 20);
    }
    const from = client.lineCount;
    await lab.silence(best as "wan1");
    const limitMs = 3 * INTERVAL_MS + 2_000;
    await client.waitForLine(new RegExp(`IPv4 goes over ${other} \\(1\\)$`), limitMs, from);
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
