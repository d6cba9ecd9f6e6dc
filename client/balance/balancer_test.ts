import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { FakeRunner } from "../../lib/net/command/runner.ts";
import { HostJournal } from "../../lib/net/journal/host_journal.ts";
import { TestDirectory } from "../../lib/net/journal/test_directory.ts";
import { Balancer } from "./balancer.ts";
import type { Strategy } from "./family_balance.ts";

const EVEN: Strategy = { kind: "prescribed", weights: new Map() };
const NEVER = { read: () => Promise.resolve(null), write: () => Promise.resolve() };

interface FakeRoute {
  dst: "default";
  table?: string;
  protocol?: string;
  dev?: string;
  gateway?: string;
  nexthops?: { dev: string; gateway: string; weight: number; flags: string[] }[];
  flags: string[];
}

/** A machine with links a and b (and maybe more) that keeps the routes it is told to. */
class FakeMachine {
  readonly down = new Set<string>();
  readonly gateways = new Map([["a", "192.0.2.1"], ["b", "198.51.100.1"]]);
  readonly addresses = new Map([["a", "192.0.2.2"], ["b", "198.51.100.2"], ["c", "10.0.0.2"]]);
  readonly own = new Map<string, FakeRoute>();
  readonly runner = new FakeRunner().on("", "")
    .on("ip -j address show", () => JSON.stringify(this.#links()))
    .on("ip -4 -j route show table all", () => JSON.stringify(this.#routes()))
    .on("ip -6 -j route show table all", "[]")
    .on("ip -4 -j route get", { code: 2, stderr: "unreachable" })
    .on("ip -6 -j route get", { code: 2, stderr: "unreachable" })
    .on("ip -4 route replace", (argv) => this.#replace(argv))
    .on("ip -4 route del", (argv) => {
      this.own.delete(argv[argv.indexOf("table") + 1]!);
      return "";
    });

  /** The changes to routes since the last call, without what they have in common. */
  changes(): string[] {
    const lines = this.runner.calls.splice(0).map(({ argv }) => argv.join(" "))
      .filter((line) => / route (?:replace|del) /.test(line));
    return lines.map((line) =>
      line.replace(/^ip -4 route /, "").replace("default table ", "").replace(" protocol 77", "")
    );
  }

  #links(): unknown[] {
    return [...this.addresses].map(([ifname, local], index) => ({
      ifindex: index + 2,
      ifname,
      flags: this.down.has(ifname) ? ["BROADCAST"] : ["BROADCAST", "UP", "LOWER_UP"],
      mtu: 1500,
      addr_info: [{ family: "inet", local, prefixlen: 24, scope: "global" }],
    }));
  }

  #routes(): FakeRoute[] {
    const theirs = [...this.gateways].map(([dev, gateway]): FakeRoute => (
      { dst: "default", gateway, dev, flags: [] }
    ));
    return [...theirs, ...this.own.values()];
  }

  #replace(argv: readonly string[]): string {
    const table = argv[argv.indexOf("table") + 1]!;
    const [head = [], ...hops] = argv.join(" ").split(" nexthop ").map((part) => part.split(" "));
    const read = (words: string[]) => ({
      dev: words[words.indexOf("dev") + 1]!,
      gateway: words[words.indexOf("via") + 1]!,
      weight: Number(words[words.indexOf("weight") + 1] ?? 1),
      flags: [],
    });
    const route = { dst: "default", table, protocol: "77", flags: [] } as const;
    this.own.set(
      table,
      hops.length === 0
        ? { ...route, ...read(head), flags: [] }
        : { ...route, nexthops: hops.map(read), flags: [] },
    );
    return "";
  }
}

async function withBalancer(
  names: string[],
  strategy: Strategy,
  test: (balancer: Balancer, machine: FakeMachine, events: string[]) => Promise<void>,
): Promise<void> {
  await using directory = await TestDirectory.create();
  const machine = new FakeMachine();
  const journal = await HostJournal.open({
    program: "t",
    runner: machine.runner,
    sysctl: NEVER,
    directory: directory.path,
  });
  const events: string[] = [];
  const balancer = new Balancer(journal, names, strategy, {
    onRenewed: (renewed) => events.push(`renewed ${renewed.join(" ")}`),
    onBare: (name, gateway) => events.push(`bare ${name} ${gateway}`),
  });
  try {
    await test(balancer, machine, events);
  } finally {
    deepEqual(await journal.undoAll(), []);
    deepEqual([...machine.own], []);
  }
}

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
      "replace 7700 nexthop via 192.0.2.1 dev a weight 1 nexthop via 198.51.100.1 dev b weight 1",
    ]);
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
      "replace 7700 nexthop via 192.0.2.9 dev a weight 1 nexthop via 198.51.100.1 dev b weight 1",
    ]);
    deepEqual(events, ["renewed a"]);
  });
});

Deno.test("Balancer takes a link out that is down, and back when it answers", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine, events) => {
    await start(balancer, machine);
    machine.down.add("a");
    machine.gateways.delete("a");
    machine.own.delete("7701"); // as the kernel does
    await balancer.refresh(new Set(["a"]));
    deepEqual(machine.changes(), ["del 7701", "replace 7700 via 198.51.100.1 dev b"]);

    machine.down.delete("a");
    await balancer.refresh();
    deepEqual(machine.changes(), ["replace 7701 via 192.0.2.1 dev a"]);
    deepEqual(events, ["bare a 192.0.2.1", "renewed a"]);
    equal(balancer.probed(4, "a", 10), true);
    await balancer.refresh();
    deepEqual(machine.changes(), [
      "replace 7700 nexthop via 192.0.2.1 dev a weight 1 nexthop via 198.51.100.1 dev b weight 1",
    ]);
  });
});

Deno.test("Balancer takes an uplink out whose gateway is withdrawn", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine) => {
    await start(balancer, machine);
    machine.gateways.delete("a");
    await balancer.refresh();
    deepEqual(machine.changes(), ["del 7701", "replace 7700 via 198.51.100.1 dev b"]);
  });
});

Deno.test("Balancer keeps the last routes when nobody answers", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine) => {
    await start(balancer, machine);
    fail(balancer, "a");
    await balancer.refresh();
    deepEqual(machine.changes(), ["replace 7700 via 198.51.100.1 dev b"]);
    fail(balancer, "b");
    await balancer.refresh();
    deepEqual(machine.changes(), []);
    equal(balancer.probed(4, "a", 5), true);
    await balancer.refresh();
    deepEqual(machine.changes(), ["replace 7700 via 192.0.2.1 dev a"]);
  });
});

Deno.test("Balancer puts back what somebody else has taken away", async () => {
  await withBalancer(["a", "b"], EVEN, async (balancer, machine) => {
    await start(balancer, machine);
    machine.own.get("7700")!.nexthops![0]!.flags.push("dead");
    machine.own.delete("7702");
    await balancer.refresh();
    deepEqual(machine.changes().map((line) => line.split(" ").slice(0, 2).join(" ")), [
      "replace 7702",
      "replace 7700",
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
    match(machine.changes().at(-1)!, /^replace 7700 via 192\.0\.2\.1 dev a$/);
    fail(balancer, "a");
    await balancer.refresh();
    deepEqual(machine.changes(), ["replace 7700 via 198.51.100.1 dev b"]);
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

Deno.test("Balancer refuses an interface without a gateway by its name", async () => {
  await withBalancer(["a", "b", "c"], EVEN, async (balancer) => {
    await rejects(
      balancer.inspect(),
      /Cannot balance over c: it has no IPv4 gateway and has no IPv6 address/,
    );
  });
  await withBalancer(["a", "gone"], EVEN, async (balancer) => {
    await rejects(balancer.inspect(), /Cannot balance over gone: it is not there/);
  });
});

Deno.test("Balancer needs two uplinks of one family", async () => {
  await withBalancer(["a"], EVEN, async (balancer) => {
    await rejects(
      balancer.inspect(),
      /at least two .* only a has an IPv4 gateway, no interface has an IPv6 gateway/,
    );
  });
});
