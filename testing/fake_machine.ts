import { deepEqual } from "node:assert/strict";
import { FakeRunner } from "./fake_runner.ts";
import { HostJournal } from "../lib/host/journal/host_journal.ts";
import { TestDirectory } from "../lib/host/journal/test_directory.ts";
import { Balancer } from "../client/balance/balancer.ts";
import type { Strategy } from "../client/balance/family_balance.ts";

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
export class FakeMachine {
  readonly down = new Set<string>();
  /** Whether links a and b have IPv6, and gateways for it. */
  hasIpv6 = false;
  readonly gateways = new Map([["a", "192.0.2.1"], ["b", "198.51.100.1"]]);
  readonly addresses = new Map([["a", "192.0.2.2"], ["b", "198.51.100.2"], ["c", "10.0.0.2"]]);
  readonly own = new Map<string, FakeRoute>();
  /** Default routes without a metric, as a DHCP client has made them. */
  leases: string[] = [];
  receivedBytes = 0;
  readonly runner = new FakeRunner().on("", "")
    .on("ip -j address show", () => JSON.stringify(this.#links()))
    .on("ip -4 -j route show table all", () => JSON.stringify(this.#routes()))
    .on("ip -6 -j route show table all", () => JSON.stringify(this.#routes6()))
    .on("ip -4 -j route get", { code: 2, stderr: "unreachable" })
    .on("ip -6 -j route get", { code: 2, stderr: "unreachable" })
    .on("ip -4 route replace", (argv) => this.#replace(argv))
    .on("ip -o -4 route show default", () => this.leases.join("\n"))
    .on("ip -j -s link show", () => {
      const count = (bytes: number) => ({ bytes });
      const stats64 = { rx: count(this.receivedBytes += 1_000), tx: count(0) };
      return JSON.stringify([{ ifindex: 2, ifname: "a", stats64 }]);
    })
    .on("ip -4 route del", (argv) => {
      this.own.delete(tableIn(argv));
      return "";
    })
    .on("ip -4 route del default via", (argv) => {
      this.leases = this.leases.filter((line) => line !== argv.slice(4).join(" "));
      return "";
    });

  /** The changes to routes since the last call, without what they have in common. */
  changes(): string[] {
    const lines = this.runner.calls.splice(0).map(({ argv }) => argv.join(" "))
      .filter((line) => / route (?:replace|del) /.test(line));
    return lines.map((line) =>
      line.replace(/^ip -4 route /, "").replace(/default (?:table|metric) /, "")
        .replace(" protocol 77", "").replace(/^(replace|del) 1\b/, "$1 main")
    );
  }

  #links(): unknown[] {
    return [...this.addresses].map(([ifname, local], index) => ({
      ifindex: index + 2,
      ifname,
      flags: this.down.has(ifname) ? ["BROADCAST"] : ["BROADCAST", "UP", "LOWER_UP"],
      mtu: 1500,
      addr_info: [
        { family: "inet", local, prefixlen: 24, scope: "global" },
        ...(this.hasIpv6
          ? [{ family: "inet6", local: `2001:db8:${index}::2`, prefixlen: 64, scope: "global" }]
          : []),
      ],
    }));
  }

  #routes6(): FakeRoute[] {
    if (!this.hasIpv6) return [];
    return ["a", "b"].map((dev, index) => (
      { dst: "default", gateway: `2001:db8:${index}::1`, dev, flags: [] }
    ));
  }

  #routes(): FakeRoute[] {
    const theirs = [...this.gateways].map(([dev, gateway]): FakeRoute => (
      { dst: "default", gateway, dev, flags: [] }
    ));
    return [...theirs, ...this.own.values()];
  }

  #replace(argv: readonly string[]): string {
    const table = tableIn(argv);
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

function tableIn(argv: readonly string[]): string {
  return argv.includes("table") ? argv[argv.indexOf("table") + 1]! : "main";
}

/** Runs `test` with a balancer, and sees to it that nothing of it is left. */
export async function withBalancer(
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
    onJoined: (joined) => events.push(`joined ${joined.join(" ")}`),
    onBalanced: () => {},
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
