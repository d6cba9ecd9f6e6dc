/** Uplinks that come after the start, under the name that is waited for or under any. */
import { equal, match, ok } from "node:assert/strict";
import { connect, needsRoot } from "../netns/namespace.ts";
import { BalanceLab, equalStates } from "./balance_lab.ts";

const STATE_TIMEOUT_MS = 10_000;

/** The cable of wan2 is pulled out together with its adapter, and the machine forgets all of it. */
async function unplug(lab: BalanceLab): Promise<void> {
  await lab.machine.run("ip", "link", "del", "wan2");
}

async function plugIn(lab: BalanceLab, name: string): Promise<void> {
  await connect(lab.machine, lab.routers.wan2, {
    a: { name, addresses: ["10.2.0.2/24", "fd02::2/64"] },
    b: { name: "lan", addresses: ["10.2.0.1/24", "fd02::1/64"] },
  });
  for (const gateway of ["10.2.0.1", "fd02::1"]) {
    await lab.machine.run(
      ...["ip", "route", "add", "default", "via", gateway, "dev", name, "metric", "200"],
    );
  }
}

async function sharesConnections(lab: BalanceLab): Promise<void> {
  for (const from of [lab.machine, lab.lan]) {
    for (const family of [4, 6] as const) {
      const { wan1, wan2 } = await lab.connections(from, family, 40);
      ok(wan1 > 0 && wan2 > 0 && wan1 + wan2 === 40, `IPv${family}: ${wan1} and ${wan2}`);
    }
  }
}

for (const firewall of ["iptables", "nft"] as const) {
  Deno.test({
    name: `netns: a named uplink that is not there is waited for (${firewall})`,
    ...needsRoot(),
    fn: async () => {
      await using lab = await BalanceLab.create();
      await unplug(lab);
      const before = await lab.state();
      const client = firewall === "iptables" ? lab.spawn() : lab.spawnWithoutIptables();
      await client.waitForLine(/wan2 is not there: it is used when it has a gateway/, 20_000);
      await client.waitForLine(/waits for uplinks: .*only wan1 has an IPv4 gateway/, 20_000);
      equal((await lab.connections(lab.machine, 4, 3)).wan1, 3);
      await plugIn(lab, "wan2");
      await client.waitForLine(/fluxify-client balances IPv4/, STATE_TIMEOUT_MS);
      await client.waitForLine(
        /IPv6 goes over wan1 \(weight \d+\), wan2 \(weight \d+\)$/,
        STATE_TIMEOUT_MS,
      );
      await sharesConnections(lab);
      await unplug(lab);
      await client.waitForLine(/wan2 is out for IPv4: is not there/, STATE_TIMEOUT_MS);
      equal(await client.stop("SIGTERM", STATE_TIMEOUT_MS), 0);
      equalStates(await lab.state(), before);
    },
  });

  Deno.test({
    name: `netns: without names an uplink joins when it leads out (${firewall})`,
    ...needsRoot(),
    fn: async () => {
      await using lab = await BalanceLab.create();
      const without = firewall === "iptables" ? lab.spawn : lab.spawnWithoutIptables;
      const client = without.call(lab, "-ifaces", "");
      await client.waitForLine(/balances IPv4 and IPv6 over wan1, wan2$/, 20_000);
      await unplug(lab);
      const from = client.lineCount;
      await client.waitForLine(/IPv6 goes over wan1 \(weight \d+\)$/, STATE_TIMEOUT_MS);
      await plugIn(lab, "modem");
      for (const family of [4, 6]) {
        const shared = new RegExp(
          `IPv${family} goes over wan1 \\(weight \\d+\\), modem \\(weight \\d+\\)$`,
        );
        await client.waitForLine(shared, STATE_TIMEOUT_MS, from);
      }
      await sharesConnections(lab);
      const rules = firewall === "iptables" ? ["iptables-save"] : ["nft", "list", "ruleset"];
      match((await lab.machine.run(...rules)).stdout, /modem.* (?:-j )?masquerade/i);
      equal(await client.stop("SIGTERM", STATE_TIMEOUT_MS), 0);
      equal((await lab.machine.run("ip", "rule")).stdout.includes("proto 77"), false);
      equal((await lab.machine.run(...rules)).stdout.includes("modem"), false);
    },
  });
}

Deno.test({
  name: "netns: with -once a start without two uplinks ends, and has changed nothing",
  ...needsRoot(),
  fn: async () => {
    await using lab = await BalanceLab.create();
    await unplug(lab);
    const before = await lab.state();
    const client = lab.spawn("-once");
    await client.waitForLine(/Cannot balance: at least two interfaces.*only wan1 has/, 20_000);
    equal((await client.ended).code, 1);
    equalStates(await lab.state(), before);
  },
});
