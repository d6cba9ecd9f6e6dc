import { type CommandRunner, MissingProgramError } from "../../command/runner.ts";
import { TestNamespace } from "../../../../testing/test_namespace.ts";
import type { HostJournal } from "../../journal/host_journal.ts";
import { TestMachine } from "../../journal/test_machine.ts";
import { KillSwitch } from "./kill_switch.ts";

export const SERVER = "203.0.113.7";
export const SERVER6 = "2001:db8:9::7";
export const STRANGER = "198.18.0.9";
export const STRANGER6 = "2001:db8:18::9";
export const CONTROL_PORT = 8443;
export const DATA_PORT = 8000;
export const SITE_OPTIONS = {
  tun: "mobile",
  links: ["fiber"],
  server: "vpn.example.com",
  addresses: [SERVER, SERVER6],
  controlPort: CONTROL_PORT,
};

/**
 * For tests: the machine of TestMachine, whose links end at a far side that counts what arrives, and
 * a host on a network behind it:
 *
 *   lan  10.9.0.2 -- 10.9.0.1  machine  fiber 192.0.2.10 ----- 192.0.2.1  far: SERVER, STRANGER
 *        fd09::2     fd09::1                  10.77.0.10 ----- 10.77.0.1, fd77::1
 *                                       mobile 198.51.100.10 - 198.51.100.1
 *
 * "mobile" stands for the tunnel. Without a kill switch everything is reached over fiber.
 */
export class TestSite implements AsyncDisposable {
  private constructor(
    readonly machine: TestMachine,
    readonly far: TestNamespace,
    readonly lan: TestNamespace,
    readonly cleanup: AsyncDisposableStack,
  ) {}

  static async create(): Promise<TestSite> {
    await using cleanup = new AsyncDisposableStack();
    const machine = cleanup.use(await TestMachine.create("kill-switch"));
    const far = cleanup.use(await TestNamespace.create("kill-far"));
    const lan = cleanup.use(await TestNamespace.create("kill-lan"));
    const { namespace } = machine;
    await namespace.sh(`
      ip link set dev fiber-far netns ${far.name}
      ip link set dev mobile-far netns ${far.name}
      ip link add lan type veth peer name lan-far
      ip link set dev lan-far netns ${lan.name}
      ip link set dev lan up
      ip address add 10.9.0.1/24 dev lan
      ip address add fd09::1/64 dev lan nodad
      ip address add 10.77.0.10/24 dev fiber
      ip address add fd77::10/64 dev fiber nodad
      sysctl -q -w net.ipv4.ip_forward=1
      sysctl -q -w net.ipv6.conf.all.forwarding=1
    `);
    await lan.sh(`
      ip link set dev lan-far up
      ip address add 10.9.0.2/24 dev lan-far
      ip address add fd09::2/64 dev lan-far nodad
      ip route add default via 10.9.0.1
      ip -6 route add default via fd09::1
    `);
    await far.sh(`
      ip address add 192.0.2.1/24 dev fiber-far
      ip address add 10.77.0.1/24 dev fiber-far
      ip address add fd77::1/64 dev fiber-far nodad
      ip address add 2001:db8:1::1/64 dev fiber-far nodad
      ip address add 198.51.100.1/24 dev mobile-far
      ip address add 2001:db8:2::1/64 dev mobile-far nodad
      ip address add ${SERVER}/32 dev lo
      ip address add ${SERVER6}/128 dev lo
      ip address add ${STRANGER}/32 dev lo
      ip address add ${STRANGER6}/128 dev lo
      ip link set dev fiber-far up
      ip link set dev mobile-far up
      ip route add 10.9.0.0/24 via 192.0.2.10
      ip -6 route add fd09::/64 via 2001:db8:1::10
      iptables -t raw -A PREROUTING -i fiber-far
      ip6tables -t raw -A PREROUTING -i fiber-far
      iptables -t raw -A PREROUTING -i mobile-far
      ip6tables -t raw -A PREROUTING -i mobile-far
    `);
    const site = new TestSite(machine, far, lan, cleanup.move());
    // Neighbours are known from here on.
    for (const address of ["192.0.2.1", "10.77.0.1", "fd77::1", STRANGER, STRANGER6]) {
      await site.ping(namespace, address);
    }
    return site;
  }

  async ping(from: CommandRunner, address: string): Promise<void> {
    const argv = ["ping", "-c1", "-i0.2", "-w5", address];
    const { code, stdout, stderr } = await from.run(argv);
    if (code !== 0) throw new Error(`no answer from ${address}: ${stdout}${stderr}`);
  }

  /** Which of the strangers' addresses a datagram gets to, over the link that is no tunnel. */
  async strangersReached(from: CommandRunner): Promise<string[]> {
    const reached: string[] = [];
    for (const address of [STRANGER, STRANGER6]) {
      if (await this.reaches(from, address, 53)) reached.push(address);
    }
    return reached;
  }

  /** Whether a datagram or the first packet of a connection gets to the far side. */
  async reaches(
    from: CommandRunner,
    to: string,
    port: number,
    protocol: "udp" | "tcp" = "udp",
    link = "fiber-far",
  ): Promise<boolean> {
    const tables = to.includes(":") ? "ip6tables" : "iptables";
    const match = ["-t", "raw", "PREROUTING", "-i", link, "-d", to, "-p", protocol];
    const [, table, chain, ...rest] = match;
    const rule = [tables, "-w", "-t", table!];
    await this.#far(...rule, "-I", chain!, "1", ...rest, "--dport", String(port));
    await from.run(["timeout", "1", "bash", "-c", `echo x > /dev/${protocol}/${to}/${port}`]);
    // What was sent before an answer from the same link has arrived.
    if (from === this.machine.namespace) await this.ping(from, "10.77.0.1");
    else await this.ping(from, "10.9.0.1");
    const listing = await this.#far(...rule, "-nvxL", chain!, "1");
    await this.#far(...rule, "-D", chain!, "1");
    return Number(/^\s*(\d+)/.exec(listing)?.[1]) > 0;
  }

  async #far(...argv: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.far.run(argv);
    if (code !== 0) throw new Error(`${argv.join(" ")}: ${stderr}`);
    return stdout;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.cleanup.disposeAsync();
  }
}

/** A journal of the site's machine, where nft can make no table when it is to be iptables. */
export async function openJournal(
  site: TestSite,
  backend: "nft" | "iptables",
  runner: CommandRunner = site.machine.namespace,
): Promise<HostJournal> {
  const journal = await site.machine.openJournal("fluxify-client");
  Object.defineProperty(journal, "runner", {
    value: {
      run: (argv, options) =>
        backend === "iptables" && argv[0] === "nft" && argv[1] === "-f"
          ? Promise.reject(new MissingProgramError("nft"))
          : runner.run(argv, options),
    } satisfies CommandRunner,
  });
  return journal;
}

export function stateOf(site: TestSite): Promise<string> {
  return site.machine.snapshot();
}

/** A kill switch in force, and the state of the machine before it. */
export async function enableKillSwitch(site: TestSite, backend: "nft" | "iptables") {
  const before = await stateOf(site);
  const journal = await openJournal(site, backend);
  const killSwitch = new KillSwitch(journal, SITE_OPTIONS);
  await killSwitch.enable();
  return { before, journal, killSwitch };
}
