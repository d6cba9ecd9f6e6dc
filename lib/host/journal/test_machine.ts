import { TestNamespace } from "../../../testing/test_namespace.ts";
import { CommandSysctl } from "../../../testing/command_sysctl.ts";
import { HostJournal, restoreStale } from "./host_journal.ts";
import type { RestoreOptions } from "./stale.ts";
import { ownIdentity, type ProcessIdentity } from "./process_identity.ts";
import { deadIdentity, TestDirectory } from "./test_directory.ts";

/**
 * For tests: a namespace with two links and a tunnel, journals that work in it, and all of its state
 * a test could leave changed, as text.
 *
 *   fiber    192.0.2.10/24, 2001:db8:1::10/64      default routes through .1 and ::1
 *   mobile   198.51.100.10/24, 2001:db8:2::10/64   default routes through .1 and ::1, metric 2000
 *   tunnel   TUN, 10.8.0.2/24, fd00:8::2/64
 */
export class TestMachine implements AsyncDisposable {
  private constructor(readonly namespace: TestNamespace, readonly directory: TestDirectory) {}

  static async create(label: string): Promise<TestMachine> {
    const namespace = await TestNamespace.create(label);
    const machine = new TestMachine(namespace, await TestDirectory.create());
    try {
      await machine.#build();
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
    return machine;
  }

  get sysctl(): CommandSysctl {
    return new CommandSysctl(this.namespace);
  }

  async openJournal(program = "fluxify-test"): Promise<HostJournal> {
    return await HostJournal.open({
      program,
      runner: this.namespace,
      sysctl: this.sysctl,
      directory: this.directory.path,
      identity: await this.#here(deadIdentity()),
    });
  }

  async restoreStale(options: Pick<RestoreOptions, "lasting"> = {}): Promise<string[]> {
    return await restoreStale(this.namespace, this.directory.path, {
      ...options,
      sysctl: this.sysctl,
      identity: await this.#here(ownIdentity()),
    });
  }

  async snapshot(): Promise<string> {
    const text = await this.namespace.sh(`
      ip -4 route show table all
      ip -6 route show table all
      ip -4 rule
      ip -6 rule
      ip address
      iptables-save
      ip6tables-save
      iptables-legacy-save
      ip6tables-legacy-save
      nft -s list ruleset
      sysctl -a -r ^net.ipv[46].(conf|ip_forward)
    `);
    return text
      .split("\n")
      .filter((line) => !line.startsWith("# ")) // the time of iptables-save
      // The kernel works on these by itself.
      .filter((line) => !/^(ff00|multicast|anycast|local fe80)/.test(line) && !/fe80::/.test(line))
      .map((line) => line.replace(/ tentative| state \w+|NO-CARRIER,|,LOWER_UP/g, ""))
      .join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.directory[Symbol.asyncDispose]();
    await this.namespace[Symbol.asyncDispose]();
  }

  async #here(identity: Promise<ProcessIdentity>): Promise<ProcessIdentity> {
    return { ...await identity, network: await this.namespace.inode() };
  }

  async #build(): Promise<void> {
    const { namespace } = this;
    await namespace.addLink("fiber", "192.0.2.10/24");
    await namespace.addLink("mobile", "198.51.100.10/24");
    await namespace.sh(`
      ip tuntap add dev tunnel mode tun
      ip address add 2001:db8:1::10/64 dev fiber nodad
      ip address add 2001:db8:2::10/64 dev mobile nodad
      ip address add 10.8.0.2/24 dev tunnel
      ip address add fd00:8::2/64 dev tunnel nodad
      ip link set dev tunnel up
      ip route add default via 192.0.2.1
      ip route add default via 198.51.100.1 metric 2000
      ip -6 route add default via 2001:db8:1::1
      ip -6 route add default via 2001:db8:2::1 metric 2000
    `);
  }
}
