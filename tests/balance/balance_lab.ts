/**
 * The laboratory of load balancing: a machine with two uplinks, a router of its own behind each, and
 * one server that both reach. Behind the machine is a computer whose packets it forwards.
 *
 *   lan ---- machine  wan1  10.1.0.2, fd01::2 ---- .1 router1 .1 ---- 10.101.0.2, fd11::2  server
 *                     wan2  10.2.0.2, fd02::2 ---- .1 router2 .1 ---- 10.102.0.2, fd12::2
 *
 * The server is 203.0.113.1 and 2001:db8:9::1, and sees by the address of a connection which uplink it
 * came over.
 */
import { deepEqual } from "node:assert/strict";
import { TemporaryDirectory } from "../../scripts/lab/temporary_directory.ts";
import { type Child, connect, Namespace, type Output } from "../netns/namespace.ts";

export const SERVER = { 4: "203.0.113.1", 6: "2001:db8:9::1" } as const;
const UPLINKS = ["wan1", "wan2"] as const;
/** Short, so that the tests are. */
export const INTERVAL_MS = 300;
const START_TIMEOUT_MS = 20_000;
const ROOT = new URL("../../", import.meta.url).pathname;

/** The machine's address on an uplink: 10.1.0.2 for wan1. */
export function addressOf(family: 4 | 6, uplink: (typeof UPLINKS)[number]): string {
  const number = uplink.slice(-1);
  return family === 4 ? `10.${number}.0.2` : `fd0${number}::2`;
}

export class BalanceLab implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #directory: TemporaryDirectory;

  private constructor(
    readonly machine: Namespace,
    readonly routers: Record<(typeof UPLINKS)[number], Namespace>,
    readonly server: Namespace,
    readonly lan: Namespace,
    directory: TemporaryDirectory,
  ) {
    this.#directory = directory;
  }

  static async create(): Promise<BalanceLab> {
    await using stack = new AsyncDisposableStack();
    const directory = stack.use(await TemporaryDirectory.create("balance"));
    const make = async (label: string) => stack.use(await Namespace.create(label));
    const machine = await make("machine");
    const routers = { wan1: await make("router1"), wan2: await make("router2") };
    const lab = new BalanceLab(
      machine,
      routers,
      await make("server"),
      await make("lan"),
      directory,
    );
    await lab.#build();
    lab.#stack.use(stack.move());
    return lab;
  }

  /** For state; gone with the lab. */
  get directory(): string {
    return this.#directory.path;
  }

  /** Starts the program and returns when it balances. */
  async start(...args: string[]): Promise<Child> {
    const child = this.spawn(...args);
    await child.waitForLine(/fluxify-client balances/, START_TIMEOUT_MS);
    return child;
  }

  /** Starts the program; it may end by itself. */
  spawn(...args: string[]): Child {
    return this.machine.spawn([
      ...client(),
      ...["-l", "-v", "-ifaces", UPLINKS.join(","), "-health-interval", `${INTERVAL_MS}ms`],
      ...args,
    ], this.#environment());
  }

  /** Starts the program where there is no iptables, and returns when it balances. */
  async startWithoutIptables(...args: string[]): Promise<Child> {
    const child = this.spawnWithoutIptables(...args);
    await child.waitForLine(/fluxify-client balances/, START_TIMEOUT_MS);
    return child;
  }

  /** Starts the program where there is no iptables. */
  spawnWithoutIptables(...args: string[]): Child {
    // Seen by this one program: `ip netns exec` gives each command mounts of its own.
    const hide = 'mount --bind /bin/false "$(readlink -f "$(command -v iptables)")" && exec "$@"';
    return this.machine.spawn([
      ...["sh", "-c", hide, "sh", ...client()],
      ...["-l", "-v", "-ifaces", UPLINKS.join(","), ...args],
    ], this.#environment());
  }

  /** Runs a command that asks the program. */
  ask(...words: string[]): Child {
    return this.machine.spawn([...client(), ...words], this.#environment());
  }

  restore(): Promise<Output> {
    return this.machine.runWith(this.#environment(), ...client(), "restore");
  }

  /** Makes `count` connections, one after the other; returns how many came over each uplink. */
  async connections(
    from: Namespace,
    family: 4 | 6,
    count: number,
  ): Promise<Record<(typeof UPLINKS)[number], number>> {
    const seen = await this.sources(from, family, count);
    return {
      wan1: seen[addressOf(family, "wan1")] ?? 0,
      wan2: seen[addressOf(family, "wan2")] ?? 0,
    };
  }

  /** Makes `count` connections; returns how many the server has seen from which address. */
  async sources(
    from: Namespace,
    family: 4 | 6,
    count: number,
  ): Promise<Record<string, number>> {
    const { stdout } = await from.runWith(
      { cwd: ROOT },
      ...[Deno.execPath(), "run", "-A", "--no-check", "tests/balance/connections_program.ts"],
      ...[SERVER[family], String(count)],
    );
    return JSON.parse(stdout);
  }

  /** Opens downloads until `count` of them go over `uplink`, and returns when all are under way. */
  async startDownloads(
    from: Namespace,
    family: 4 | 6,
    uplink: (typeof UPLINKS)[number],
    count: number,
  ): Promise<Child> {
    const child = from.spawn([
      ...[Deno.execPath(), "run", "-A", "--no-check", "tests/balance/downloads_program.ts"],
      ...[SERVER[family], addressOf(family, uplink), String(count)],
    ], { cwd: ROOT, stdin: "piped" });
    await child.waitForLine(/^under way/, START_TIMEOUT_MS);
    return child;
  }

  /** A router that neither answers nor forwards, its link being up: on, then off by the result. */
  async silence(uplink: (typeof UPLINKS)[number]): Promise<() => Promise<void>> {
    const router = this.routers[uplink];
    const hooks = ["input", "forward"].map((hook) =>
      `chain ${hook} { type filter hook ${hook} priority 0; policy drop; ` +
      `icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept; }`
    );
    await router.runWith(
      { input: `table inet silence {\n${hooks.join("\n")}\n}` },
      "nft",
      "-f",
      "-",
    );
    return async () => {
      await router.run("nft", "delete", "table", "inet", "silence");
    };
  }

  /** All the program could leave changed, to be compared byte by byte; without what counts. */
  async state(): Promise<string> {
    const commands = [
      "ip route",
      "ip -6 route",
      "ip rule",
      "ip -6 rule",
      "ip route show table all",
      "ip -6 route show table all",
      "iptables-save",
      "ip6tables-save",
      "nft list tables",
      "sysctl -a --pattern ^net[.]ipv[46][.]",
    ];
    const parts = [];
    for (const command of commands) {
      const { stdout } = await this.machine.run(...command.split(" "));
      const lines = stdout.split("\n").filter((line) => !line.startsWith("# "))
        .map((line) => line.replace(/\[\d+:\d+\]/, "").replace(/expires \d+sec/, "expires"));
      parts.push(`$ ${command}\n${lines.join("\n")}`);
    }
    return parts.join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack[Symbol.asyncDispose]();
  }

  #environment() {
    const { path } = this.#directory;
    return {
      cwd: ROOT,
      env: { FLUXIFY_STATE_DIR: `${path}/state`, FLUXIFY_RUN_DIR: `${path}/run` },
    };
  }

  async #build(): Promise<void> {
    const { machine, server, lan } = this;
    for (const [index, uplink] of UPLINKS.entries()) {
      const number = index + 1;
      const router = this.routers[uplink];
      await connect(machine, router, {
        a: { name: uplink, addresses: [`10.${number}.0.2/24`, `fd0${number}::2/64`] },
        b: { name: "lan", addresses: [`10.${number}.0.1/24`, `fd0${number}::1/64`] },
      });
      await connect(router, server, {
        a: { name: "wan", addresses: [`10.10${number}.0.1/24`, `fd1${number}::1/64`] },
        b: { name: uplink, addresses: [`10.10${number}.0.2/24`, `fd1${number}::2/64`] },
      });
      await forward(router);
      await addRoute(router, "default", `10.10${number}.0.2`);
      await addRoute(router, "default", `fd1${number}::2`);
      await addRoute(server, `10.${number}.0.0/24`, `10.10${number}.0.1`);
      await addRoute(server, `fd0${number}::/64`, `fd1${number}::1`);
      const metric = ["dev", uplink, "metric", String(100 * number)];
      await addRoute(machine, "default", `10.${number}.0.1`, ...metric);
      await addRoute(machine, "default", `fd0${number}::1`, ...metric);
    }
    for (const address of Object.values(SERVER)) {
      await server.run("ip", "address", "add", address, "dev", "lo");
    }
    await connect(machine, lan, {
      a: { name: "lan0", addresses: ["192.168.9.1/24", "fd99::1/64"] },
      b: { name: "eth0", addresses: ["192.168.9.2/24", "fd99::2/64"] },
    });
    await forward(machine);
    await addRoute(lan, "default", "192.168.9.1");
    await addRoute(lan, "default", "fd99::1");
    const web = server.spawn([
      ...[Deno.execPath(), "run", "-A", "--no-check", "tests/balance/server_program.ts"],
      ...Object.values(SERVER),
    ], { cwd: ROOT });
    await web.waitForLine(/^listening$/, START_TIMEOUT_MS);
  }
}

/**
 * Byte by byte; the message shows the lines that differ. "in any order": the kernel lists the prefixes
 * of a link that was down in another place than before.
 */
export function equalStates(
  actual: string,
  expected: string,
  order: "in order" | "in any order" = "in order",
): void {
  const [now, before] = [actual, expected].map((text) => {
    const lines = text.split("\n");
    return order === "in order" ? lines : lines.sort();
  }) as [string[], string[]];
  deepEqual(
    {
      missing: before.filter((line) => !now.includes(line)),
      added: now.filter((line) => !before.includes(line)),
    },
    { missing: [], added: [] },
  );
  deepEqual(now, before);
}

function client(): string[] {
  return [Deno.execPath(), "run", "-A", "--no-check", "client/main.ts"];
}

async function forward(router: Namespace): Promise<void> {
  await router.sysctl("net.ipv4.ip_forward", 1);
  await router.sysctl("net.ipv6.conf.all.forwarding", 1);
}

async function addRoute(
  machine: Namespace,
  destination: string,
  via: string,
  ...more: string[]
): Promise<void> {
  const family = via.includes(":") ? "-6" : "-4";
  await machine.run("ip", family, "route", "add", destination, "via", via, ...more);
}
