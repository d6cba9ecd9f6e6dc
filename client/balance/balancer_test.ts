import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { InterfaceError } from "../../lib/host/links/network_interface.ts";
import { CommandError } from "../../lib/host/command/runner.ts";
import { JournalError } from "../../lib/host/journal/host_journal.ts";
import { refuseTunnelRoutes } from "../../lib/host/routes/default_route.ts";
import { refuseOtherBalancing } from "../../lib/host/routes/uplink_policy.ts";
import type { Balancer } from "./balancer.ts";
import { DefaultKeeper } from "../default_keeper.ts";
import { type FakeMachine, withBalancer } from "../../testing/fake_machine.ts";
import type { Strategy } from "./family_balance.ts";

const EVEN: Strategy = { kind: "prescribed", weights: new Map() };

async function start(balancer: Balancer, machine: FakeMachine): Promise<void> {
  await balancer.enable(await balancer.inspect());
  machine.changes();
}

const fail = (balancer: Balancer, name: string) => {
  for (let probe = 0; probe < 2; probe++) equal(balancer.probed(4, name, null), false);
  equal(balancer.probed(4, name, null), true);
};

Deno.test("Balancer puts a table for each uplink and the shared one in place", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine) => {
    await balancer.enable(await balancer.inspect());
    deepEqual(balancer.balanced(), [4]);
    deepEqual(machine.changes(), [
      "replace 7701 via 192.0.2.1 dev a",
      "replace 7702 via 198.51.100.1 dev b",
      "replace main nexthop via 192.0.2.1 dev a weight 1 nexthop via 198.51.100.1 dev b weight 1",
    ]);
    await balancer.refresh();
    deepEqual(machine.changes(), []);
  });
});

Deno.test("Balancer balances IPv4 where the kernel has no IPv6", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine) => {
    const stderr = "RTNETLINK answers: Address family not supported by protocol";
    for (const command of ["ip -6", "ip -o -6"]) machine.runner.on(command, { code: 1, stderr });
    await refuseOtherBalancing(machine.runner, 6);
    await refuseTunnelRoutes(machine.runner, 6);
    await using _keeper = await DefaultKeeper.save(machine.runner);
    await start(balancer, machine);
    deepEqual(balancer.balanced(), [4]);
    await balancer.refresh();
    deepEqual(machine.changes(), []);
  });
});

Deno.test("Balancer follows a new gateway, and probes over it at once", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine, events) => {
    await start(balancer, machine);
    machine.gateways.set("a", "192.0.2.9");
    await balancer.refresh();
    deepEqual(machine.changes(), [
      "replace 7701 via 192.0.2.9 dev a",
      "replace main nexthop via 192.0.2.9 dev a weight 1 nexthop via 198.51.100.1 dev b weight 1",
    ]);
    deepEqual(events, ["renewed a"]);
  });
});

Deno.test("Balancer follows a lease that goes before its route, and looks again", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine, events) => {
    await start(balancer, machine);
    machine.leases = ["default via 192.0.2.9 dev a proto dhcp"];
    await balancer.refresh();
    await balancer.settled();
    deepEqual(machine.leases, []);
    deepEqual(machine.changes(), [
      "del default via 192.0.2.9 dev a proto dhcp",
      "replace 7701 via 192.0.2.9 dev a",
      "replace main nexthop via 192.0.2.9 dev a weight 1 nexthop via 198.51.100.1 dev b weight 1",
    ]);
    deepEqual(events, ["renewed a"]);
  });
});

Deno.test("Balancer: a look at links that have not changed leaves probes valid", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine) => {
    await start(balancer, machine);
    const before = balancer.nextHopOf(4, "a");
    await balancer.refresh();
    equal(balancer.nextHopOf(4, "a"), before);
  });
});

Deno.test("Balancer counts on when samples are asked for at once", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine) => {
    await start(balancer, machine);
    let nowMs = 0;
    const sample = () => balancer.sample(() => nowMs += 1_000);
    await Promise.all([sample(), sample(), sample()]);
    const { kind, uplinks, receivedBytes, receivedBytesPerSecond, largest } = balancer.status();
    deepEqual([kind, receivedBytes, receivedBytesPerSecond], ["spread", 2_000, 1_000]);
    deepEqual(largest, { name: "a", share: 1 });
    deepEqual(uplinks.map(({ name, families }) => [name, families[4]?.gateway, families[6]]), [
      ["a", "192.0.2.1", null],
      ["b", "198.51.100.1", null],
    ]);
    deepEqual(uplinks.map(({ families }) => families[4]?.connectionShare), [0.5, 0.5]);
  });
});

Deno.test("Balancer.status() says why an uplink is out, and gives it no share", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine) => {
    await start(balancer, machine);
    machine.down.add("a");
    await balancer.refresh(new Set(["a"]));
    const [a, b] = balancer.status().uplinks.map(({ families }) => families[4]);
    deepEqual([a?.state, a?.problem, a?.gateway], ["link down", "is down", null]);
    deepEqual([a?.weight, a?.connectionShare, b?.connectionShare], [0, 0, 1]);
  });
});

Deno.test("Balancer takes a link out that is down, and back when it answers", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine, events) => {
    await start(balancer, machine);
    machine.down.add("a");
    machine.gateways.delete("a");
    machine.own.delete("7701"); // as the kernel does
    await balancer.refresh(new Set(["a"]));
    deepEqual(machine.changes(), ["del 7701", "replace main via 198.51.100.1 dev b"]);

    machine.down.delete("a");
    await balancer.refresh();
    deepEqual(machine.changes(), ["replace 7701 via 192.0.2.1 dev a"]);
    deepEqual(events, ["bare a 192.0.2.1", "renewed a"]);
    equal(balancer.probed(4, "a", 10), true);
    await balancer.refresh();
    deepEqual(machine.changes(), [
      "replace main nexthop via 192.0.2.1 dev a weight 1 nexthop via 198.51.100.1 dev b weight 1",
    ]);
  });
});

Deno.test("Balancer takes an uplink out whose gateway is withdrawn", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine) => {
    await start(balancer, machine);
    machine.gateways.delete("a");
    await balancer.refresh();
    deepEqual(machine.changes(), ["del 7701", "replace main via 198.51.100.1 dev b"]);
  });
});

Deno.test("Balancer keeps the last routes when nobody answers", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine) => {
    await start(balancer, machine);
    fail(balancer, "a");
    await balancer.refresh();
    deepEqual(machine.changes(), ["replace main via 198.51.100.1 dev b"]);
    fail(balancer, "b");
    await balancer.refresh();
    deepEqual(machine.changes(), []);
    equal(balancer.probed(4, "a", 5), true);
    await balancer.refresh();
    deepEqual(machine.changes(), ["replace main via 192.0.2.1 dev a"]);
  });
});

Deno.test("Balancer puts back what somebody else has taken away", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine) => {
    await start(balancer, machine);
    machine.own.get("main")!.nexthops![0]!.flags.push("dead");
    machine.own.delete("7702");
    await balancer.refresh();
    deepEqual(machine.changes().map((line) => line.split(" ").slice(0, 2).join(" ")), [
      "replace 7702",
      "replace main",
    ]);
  });
});

Deno.test("Balancer joins refreshes that are asked for at once", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine) => {
    await start(balancer, machine);
    machine.runner.calls.length = 0;
    await Promise.all([balancer.refresh(), balancer.refresh(), balancer.refresh(new Set(["a"]))]);
    equal(
      machine.runner.lines.filter((line) => line === "ip -4 -j route show table all").length,
      2,
    );
  });
});

Deno.test("Balancer sends everything over the best, and over another when that is out", async () => {
  await withBalancer(["a", "b"], { kind: "best" }, async (balancer, machine) => {
    await balancer.enable(await balancer.inspect());
    match(machine.changes().at(-1)!, /^replace main via 192\.0\.2\.1 dev a$/);
    fail(balancer, "a");
    await balancer.refresh();
    deepEqual(machine.changes(), ["replace main via 198.51.100.1 dev b"]);
  });
});

Deno.test("Balancer tries again with the next probe what the kernel refused", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine) => {
    await start(balancer, machine);
    let refused = 0;
    const { run } = machine.runner;
    machine.runner.run = (argv, options) => {
      if (!argv.join(" ").startsWith("ip -4 route replace default table 7701") || refused > 0) {
        return run.call(machine.runner, argv, options);
      }
      refused++;
      return Promise.resolve({ code: 2, stdout: "", stderr: "Error: Nexthop is not up" });
    };
    machine.gateways.set("a", "192.0.2.9");
    await balancer.refresh();
    equal(refused, 1);
    equal(balancer.probed(4, "b", 5), true);
    machine.changes();
    await balancer.refresh();
    deepEqual(machine.changes(), ["replace 7701 via 192.0.2.9 dev a"]);
    equal(balancer.probed(4, "b", 5), false);
  });
});

Deno.test("Balancer waits for uplinks that lead nowhere yet, and takes them in when they do", async () => {
  await withBalancer(["a", "b", "c", "gone"], EVEN, async (balancer, machine, events) => {
    machine.gateways.delete("b");
    await balancer.enable(await balancer.inspect());
    match(
      balancer.whyIdle()!,
      /at least two .* only a has an IPv4 gateway, no interface has an IPv6 gateway/,
    );
    deepEqual([balancer.balanced(), machine.changes()], [[], []]);
    machine.gateways.set("c", "10.0.0.1");
    await balancer.refresh();
    deepEqual([balancer.whyIdle(), balancer.balanced()], [null, [4]]);
    deepEqual(machine.changes(), [
      "replace 7701 via 192.0.2.1 dev a",
      "replace 7703 via 10.0.0.1 dev c",
      "replace main nexthop via 192.0.2.1 dev a weight 1 nexthop via 10.0.0.1 dev c weight 1",
    ]);
    machine.addresses.set("gone", "10.9.0.2");
    machine.gateways.set("gone", "10.9.0.1");
    await balancer.refresh();
    deepEqual(machine.changes(), ["replace 7704 via 10.9.0.1 dev gone"], "once it has answered");
    deepEqual(events, ["renewed c", "renewed gone"]);
  });
});

Deno.test("Balancer without names takes what leads out, also later", async () => {
  await withBalancer([], EVEN, async (balancer, machine, events) => {
    await start(balancer, machine);
    deepEqual([balancer.names, balancer.balanced()], [["a", "b"], [4]]);
    machine.gateways.set("c", "10.0.0.1");
    await balancer.refresh();
    deepEqual(balancer.names, ["a", "b", "c"]);
    deepEqual(machine.changes(), ["replace 7703 via 10.0.0.1 dev c"]);
    equal(balancer.probed(4, "c", 10), true);
    await balancer.apply();
    match(machine.changes().join(), /^replace main .* nexthop via 10\.0\.0\.1 dev c weight 1$/);
    deepEqual(events, ["joined a b", "joined c", "renewed c"]);
    equal(balancer.status().uplinks.length, 3);
  });
});

Deno.test("Balancer tries again what could not be recorded, as on a full disk", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine) => {
    await start(balancer, machine);
    const { run } = machine.runner;
    machine.runner.run = (argv, options) =>
      argv.includes("replace")
        ? Promise.reject(new JournalError("No space left on device"))
        : run.call(machine.runner, argv, options);
    fail(balancer, "a");
    await rejects(balancer.apply(), JournalError);
    machine.runner.run = run;
    equal(balancer.probed(4, "b", 5), true);
    await balancer.apply();
    deepEqual(machine.changes(), ["replace main via 198.51.100.1 dev b"]);
    equal(balancer.probed(4, "b", 5), false);
  });
});

Deno.test("Balancer looks again with the next probe at links that could not be read", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine) => {
    await start(balancer, machine);
    const { run } = machine.runner;
    machine.runner.run = () => Promise.reject(new CommandError(["ip"], 1, "no memory"));
    machine.gateways.set("a", "192.0.2.9");
    await rejects(balancer.refresh(), CommandError);
    machine.runner.run = run;
    equal(balancer.probed(4, "b", 5), true);
    await balancer.apply();
    deepEqual(machine.changes()[0], "replace 7701 via 192.0.2.9 dev a");
    equal(balancer.probed(4, "b", 5), false);
  });
});

Deno.test("Balancer follows the links of one family though the other cannot be taken in", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine, events) => {
    await start(balancer, machine);
    machine.hasIpv6 = true;
    machine.runner.on("ip6tables", { code: 3, stderr: "can't initialize ip6tables" })
      .on("nft", { code: 1, stderr: "Operation not supported" });
    machine.gateways.set("a", "192.0.2.9");
    await rejects(balancer.refresh(), CommandError);
    deepEqual(machine.changes(), [
      "replace 7701 via 192.0.2.9 dev a",
      "replace main nexthop via 192.0.2.9 dev a weight 1 nexthop via 198.51.100.1 dev b weight 1",
    ]);
    deepEqual(balancer.balanced(), [4]);
    deepEqual(events.filter((event) => event.startsWith("renewed")), ["renewed a b"]);
  });
});

Deno.test("Balancer joins probes that ask for the routes to follow at once", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine) => {
    await start(balancer, machine);
    machine.runner.calls.length = 0;
    await Promise.all(Array.from({ length: 50 }, () => balancer.apply()));
    equal(machine.runner.lines.filter((line) => line.includes("rule show")).length, 1);
  });
});

Deno.test("Balancer.status() gives new connections to the routes that stay when all are down", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine) => {
    await start(balancer, machine);
    fail(balancer, "a");
    await balancer.apply();
    fail(balancer, "b");
    await balancer.apply();
    const [a, b] = balancer.status().uplinks.map(({ families }) => families[4]);
    deepEqual([a?.state, a?.connectionShare], ["unanswered", 0]);
    deepEqual([b?.state, b?.connectionShare], ["unanswered", 1]);
  });
});

Deno.test("Balancer takes another uplink in while it runs, and nothing new goes over the one that rests", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine, events) => {
    await start(balancer, machine);
    machine.gateways.set("c", "10.0.0.1");
    await balancer.useUplinks(["b", "c"]);
    deepEqual(balancer.names, ["b", "c"]);
    deepEqual(balancer.status().uplinks.map(({ name }) => name), ["b", "c"]);
    deepEqual(machine.changes(), [
      "del 7701",
      "replace 7703 via 10.0.0.1 dev c",
      "replace main via 198.51.100.1 dev b",
    ]);
    deepEqual(events, ["joined c", "renewed c"]);
    // Used once it has answered, as any that comes.
    for (let probes = 0; probes < 10 && !balancer.probed(4, "c", 10); probes++);
    await balancer.apply();
    deepEqual(machine.changes(), [
      "replace main nexthop via 198.51.100.1 dev b weight 1 nexthop via 10.0.0.1 dev c weight 1",
    ]);
    equal(balancer.nextHopOf(4, "a"), null);
    await balancer.useUplinks(["b", "c", "a"]);
    for (let probes = 0; probes < 10 && !balancer.probed(4, "a", 10); probes++);
    await balancer.apply();
    equal(machine.own.get("7701")?.gateway, "192.0.2.1");
    await rejects(async () => await balancer.useUplinks(["a"]), InterfaceError);
    deepEqual(balancer.names, ["a", "b", "c"]);
  });
});
