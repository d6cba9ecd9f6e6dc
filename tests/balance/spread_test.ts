/** Connections are spread over the uplinks, and the machine is as before afterwards. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { type Namespace, needsRoot } from "../netns/namespace.ts";
import { BalanceLab, equalStates } from "./balance_lab.ts";

const CONNECTIONS = 200;
const STOP_TIMEOUT_MS = 10_000;

/**
 * The part of wan1 in CONNECTIONS connections. A fair kernel's answer is outside a band of 10 % once in
 * a few hundred times: then as many again are made, and all of them count.
 */
async function shareOfFirst(
  lab: BalanceLab,
  from: Namespace,
  family: 4 | 6,
  [least, most]: readonly [number, number],
): Promise<number> {
  const first = await lab.connections(from, family, CONNECTIONS);
  equal(first.wan1 + first.wan2, CONNECTIONS);
  const share = first.wan1 / CONNECTIONS;
  if (share >= least && share <= most) return share;
  const second = await lab.connections(from, family, CONNECTIONS);
  return (first.wan1 + second.wan1) / (2 * CONNECTIONS);
}

async function checkShares(lab: BalanceLab, band: readonly [number, number]): Promise<void> {
  const [least, most] = band;
  for (const [name, from] of [["machine", lab.machine], ["lan", lab.lan]] as const) {
    for (const family of [4, 6] as const) {
      const share = await shareOfFirst(lab, from, family, band);
      console.log(`${name}, IPv${family}: ${(100 * share).toFixed(1)} % over wan1`);
      ok(share >= least && share <= most, `IPv${family} from ${name}: ${share}`);
    }
  }
}

const LEASE = "default via 10.1.0.1 dev wan1 proto dhcp src 10.1.0.2 mtu 1400 advmss 1300";

/** Default routes of all kinds that are put back: also those that would go before ours. */
async function addDefaults(lab: BalanceLab): Promise<void> {
  const routes = [
    `add ${LEASE}`,
    "append default via 10.2.0.1 dev wan2 proto static",
    "add default via 10.2.0.9 dev wan2 onlink metric 1",
    "add default via 10.1.0.9 dev wan1 metric 300 onlink",
    "add default proto static metric 400 nexthop via 10.1.0.1 weight 2 nexthop via 10.2.0.1",
    "add default via fd02::1 dev wan2 metric 1 hoplimit 60 pref high",
    "add default via fe80::9 dev wan1 proto ra metric 1024 expires 1800",
    "append default via fe80::9 dev wan2 proto ra metric 1024",
  ];
  for (const route of routes) {
    await lab.machine.run(
      "ip",
      ...(route.includes(":") ? ["-6"] : []),
      "route",
      ...route.split(" "),
    );
  }
}

Deno.test({
  name: "netns: two equal uplinks share the connections to one server",
  ...needsRoot(),
  fn: async () => {
    await using lab = await BalanceLab.create();
    // What was there before, of each kind: it has to be there afterwards.
    await addDefaults(lab);
    await lab.machine.run(..."ip rule add from 192.0.2.77 table 77 priority 500".split(" "));
    await lab.machine.run(
      ..."iptables -t mangle -A FORWARD -p tcp -m comment --comment theirs -j ACCEPT".split(" "),
    );
    await lab.machine.sysctl("net.ipv4.fib_multipath_hash_policy", 2);
    await lab.machine.sysctl("net.ipv4.conf.wan1.rp_filter", 1);
    const before = await lab.state();
    const client = await lab.start();
    const routes = (await lab.machine.run("ip", "route")).stdout.replaceAll(/\s+/g, " ");
    match(
      routes,
      /^default proto 77 metric 1 nexthop via 10\.1\.0\.1 dev wan1 weight 1 nexthop via 10\.2\.0\.1 dev wan2 weight 1 default via/,
    );
    match(
      (await lab.machine.run("ip", "-6", "route", "show", "default")).stdout,
      /^default proto 77 metric 1 .*\s+nexthop via fd01::1 .*\s+nexthop via fd02::1 /,
    );
    await checkShares(lab, [0.4, 0.6]);

    const from = client.lineCount;
    client.signal("SIGUSR2");
    // Jitter takes two probes, which there need not have been yet.
    const asking = setInterval(() => client.signal("SIGUSR2"), 500);
    using _asking = { [Symbol.dispose]: () => clearInterval(asking) };
    const health =
      "healthy, weight \\d+ \\(\\d+ % of new connections\\), RTT [\\d.]+ ms, jitter [\\d.]+ ms, loss 0 %, score \\d+";
    for (const uplink of ["wan1", "wan2"]) {
      const status = new RegExp(
        `${uplink}: \\d+ % of the bytes, .*/s down, .*/s up, .* received, .* sent; ` +
          `IPv4 ${health}; IPv6 ${health}`,
      );
      await client.waitForLine(status, 5_000, from);
    }
    await client.waitForLine(/all uplinks: .*; the largest share is \d+ % on wan/, 5_000, from);
    clearInterval(asking);

    const rules = (await lab.machine.run("iptables-save")).stdout;
    const sources = rules.split("\n").filter((line) => /-j (?:MASQUERADE|SNAT)/.test(line));
    deepEqual(sources, [
      "-A POSTROUTING -o wan1 -m comment --comment fluxify-balance -j SNAT --to-source 10.1.0.2",
      "-A POSTROUTING -o wan2 -m comment --comment fluxify-balance -j MASQUERADE",
    ]);
    equal(await client.stop("SIGTERM", STOP_TIMEOUT_MS), 0);
    equalStates(await lab.state(), before);
  },
});

Deno.test({
  name: "netns: weights of 3 to 1 are followed, and a killed run is undone",
  ...needsRoot(),
  fn: async () => {
    await using lab = await BalanceLab.create();
    await addDefaults(lab);
    const before = await lab.state();
    const client = await lab.start("-weights", "wan1=3,wan2=1", "-status-every", "1s");
    await checkShares(lab, [0.65, 0.85]);
    await client.waitForLine(/wan1: \d+ % .*weight 3 \(75 % of new connections\), /, 5_000);

    const second = lab.spawn();
    await second.waitForLine(/stop the other fluxify-client -l first/, 20_000);
    equal((await second.ended).code, 1);

    await client.stop("SIGKILL");
    ok(await lab.state() !== before);
    // A DHCP client may renew its lease before anybody restores anything.
    await lab.machine.run("ip", ..."route add".split(" "), ...LEASE.split(" "));
    match((await lab.restore()).stdout, /undid \d+ changes left by fluxify-client/);
    equalStates(await lab.state(), before);
  },
});

Deno.test({
  name: "netns: nft spreads the connections where there is no iptables",
  ...needsRoot(),
  fn: async () => {
    await using lab = await BalanceLab.create();
    const before = await lab.state();
    const client = await lab.startWithoutIptables("-weights", "wan1=1,wan2=1");
    await client.waitForLine(/using nft instead/, 5_000);
    const downloads = await lab.startDownloads(lab.lan, 4, "wan1", 10);
    for (const family of [4, 6] as const) {
      const { wan1, wan2 } = await lab.connections(lab.lan, family, 50);
      ok(wan1 > 0 && wan2 > 0 && wan1 + wan2 === 50, `${wan1} and ${wan2}`);
    }
    const from = client.lineCount;
    await lab.machine.run(..."ip link set wan2 down".split(" "));
    await client.waitForLine(/IPv4 goes over wan1 \(weight 1\)$/, 5_000, from);
    equal((await lab.connections(lab.lan, 4, 10)).wan1, 10);
    await downloads.closeStdin();
    match((await downloads.waitForLine(/^\{.*\}$/, 5_000))[0], /"failed":0/);
    await lab.machine.run(..."ip link set wan2 up".split(" "));
    await lab.machine.run(..."ip address add fd02::2/64 dev wan2 nodad".split(" "));
    await client.waitForLine(/put back the default route over wan2/, 10_000, from);
    equal(await client.stop("SIGTERM", STOP_TIMEOUT_MS), 0);
    equalStates(await lab.state(), before, "in any order");
  },
});
