/** An uplink with two addresses whose provider takes only the one that its default route prescribes. */
import { equal, ok } from "node:assert/strict";
import { needsRoot } from "../netns/namespace.ts";
import { BalanceLab, equalStates, SERVER } from "./balance_lab.ts";
import { until } from "../../testing/until.ts";

const STATE_TIMEOUT_MS = 10_000;
const SECOND = { 4: "10.2.0.5", 6: "fd02::5" } as const;
const THIRD = { 4: "10.2.0.6", 6: "fd02::6" } as const;
const GATEWAY = { 4: "10.2.0.1", 6: "fd02::1" } as const;
const CONNECTIONS = 40;

async function prescribe(lab: BalanceLab, sources: Record<4 | 6, string>): Promise<void> {
  for (const family of [4, 6] as const) {
    await lab.machine.run(
      ...["ip", `-${family}`, "route", "replace", "default", "via", GATEWAY[family], "dev", "wan2"],
      ...["src", sources[family], "metric", "200"],
    );
  }
}

/** Router 2 lets nothing else pass. */
async function takeOnly(lab: BalanceLab, sources: Record<4 | 6, string>): Promise<void> {
  const table = `table inet provider
delete table inet provider
table inet provider {
  chain forward {
    type filter hook forward priority 0;
    iifname "lan" ip saddr != ${sources[4]} drop
    iifname "lan" ip6 saddr != ${sources[6]} drop
  }
}`;
  await lab.routers.wan2.runWith({ input: table }, "nft", "-f", "-");
}

/** All connections arrive, those over wan2 from that address. */
async function check(lab: BalanceLab, sources: Record<4 | 6, string>): Promise<void> {
  for (const from of [lab.machine, lab.lan]) {
    for (const family of [4, 6] as const) {
      const seen = await lab.sources(from, family, CONNECTIONS);
      const overSecond = seen[sources[family]] ?? 0;
      ok(overSecond > 0, `IPv${family} to ${SERVER[family]}: ${JSON.stringify(seen)}`);
      equal(Object.values(seen).reduce((sum, count) => sum + count), CONNECTIONS);
      equal(Object.keys(seen).length, 2, JSON.stringify(seen));
    }
  }
}

/** Waits until NAT gives these sources and no longer the ones before. */
async function untilNatHas(
  lab: BalanceLab,
  firewall: "iptables" | "nft",
  sources: Record<4 | 6, string>,
): Promise<void> {
  const commands = firewall === "iptables"
    ? [["iptables-save", "-t", "nat"], ["ip6tables-save", "-t", "nat"]]
    : [["nft", "list", "ruleset"]];
  await until("NAT has the new sources", async () => {
    const texts = await Promise.all(commands.map((command) => lab.machine.run(...command)));
    const given = texts.flatMap(({ stdout }) =>
      [...stdout.matchAll(/(?:snat to|--to-source) (\S+)/g)].map(([, source]) => source)
    );
    return given.sort().join() === Object.values(sources).sort().join();
  }, STATE_TIMEOUT_MS);
}

for (const firewall of ["iptables", "nft"] as const) {
  Deno.test({
    name: `netns: what leaves on an uplink has the source of its default route (${firewall})`,
    ...needsRoot(),
    fn: async () => {
      await using lab = await BalanceLab.create();
      for (const { 4: ipv4, 6: ipv6 } of [SECOND, THIRD]) {
        await lab.machine.run("ip", "address", "add", `${ipv4}/24`, "dev", "wan2");
        await lab.machine.run("ip", "address", "add", `${ipv6}/64`, "dev", "wan2", "nodad");
      }
      await prescribe(lab, SECOND);
      await takeOnly(lab, SECOND);
      const before = await lab.state();
      const start = firewall === "iptables" ? lab.start : lab.startWithoutIptables;
      const client = await start.call(lab, "-weights", "wan1=1,wan2=1");
      await check(lab, SECOND);

      await takeOnly(lab, THIRD);
      await prescribe(lab, THIRD);
      await untilNatHas(lab, firewall, THIRD);
      await check(lab, THIRD);
      await prescribe(lab, SECOND);
      equal(await client.stop("SIGTERM", STATE_TIMEOUT_MS), 0);
      equalStates(await lab.state(), before, "in any order");
    },
  });
}
