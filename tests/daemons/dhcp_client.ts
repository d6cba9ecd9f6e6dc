import type { DaemonMachine } from "./daemon_machine.ts";

/** DHCP clients that are in use, each of which treats routes and resolv.conf in its own way. */
export type DhcpClientKind = "dhclient" | "dhcpcd";

/** With it dhclient asks for its lease again every three seconds; dhcpcd is told to. */
const DHCLIENT_CONF = `supersede dhcp-renewal-time 3;
supersede dhcp-rebinding-time 5;
request subnet-mask, routers, domain-name-servers;
`;

export class DhcpClient {
  readonly #machine: DaemonMachine;
  readonly #kind: DhcpClientKind;
  readonly #device: string;

  private constructor(machine: DaemonMachine, kind: DhcpClientKind, device: string) {
    this.#machine = machine;
    this.#kind = kind;
    this.#device = device;
  }

  /** Takes the device's addresses away and asks for a lease. */
  static async start(
    machine: DaemonMachine,
    kind: DhcpClientKind,
    device: string,
  ): Promise<DhcpClient> {
    await machine.run("ip", "-4", "address", "flush", "dev", device);
    await machine.write("/run/dhclient.conf", DHCLIENT_CONF);
    if (kind === "dhclient") {
      machine.spawn(
        ...["dhclient", "-d", "-cf", "/run/dhclient.conf", "-lf", `/run/${device}.leases`],
        ...["-pf", `/run/dhclient-${device}.pid`, device],
      );
    } else {
      // Without looking for other users of the address, which takes it five seconds.
      machine.spawn("dhcpcd", "--nobackground", "--noarp", "--ipv4only", device);
    }
    return new DhcpClient(machine, kind, device);
  }

  /** Makes it ask for its lease again, where it does not do so all the time. */
  async renew(): Promise<void> {
    if (this.#kind === "dhcpcd") await this.#machine.run("dhcpcd", "--rebind", this.#device);
  }
}
