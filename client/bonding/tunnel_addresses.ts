/** The addresses this machine has inside the tunnel: those of the session in use. */
import type { CommandRunner } from "../../lib/host/command/runner.ts";
import type { SysctlAccess } from "../../lib/host/sysctl/sysctl.ts";
import { configureTun } from "../../lib/host/links/tun_address.ts";
import type { ControlGrant } from "../../lib/protocol/wire/control_message.ts";

/** The machine that the TUN device is on; a journal is one. */
interface TunHost {
  readonly runner: CommandRunner;
  readonly sysctl: SysctlAccess;
}

type Addresses = Pick<ControlGrant, "clientIp" | "clientIp6" | "prefix4" | "prefix6">;

export class TunnelAddresses {
  readonly #host: TunHost;
  readonly #tun: string;
  #present: Addresses | null = null;

  constructor(host: TunHost, tun: string) {
    this.#host = host;
    this.#tun = tun;
  }

  /** As in `10.8.0.2 and fd00:8::2`; empty before the first session. */
  toString(): string {
    return this.#present === null ? "" : describe(this.#present);
  }

  /**
   * Gives the device the addresses of a session, in the place of other ones; `mtu` is used where it
   * changes anything. Returns notices for people. Throws CommandError.
   */
  async use(
    { clientIp, clientIp6, prefix4, prefix6 }: Addresses,
    mtu: () => number,
  ): Promise<string[]> {
    const wanted = { clientIp, clientIp6, prefix4, prefix6 };
    const before = this.#present;
    if (before !== null && describe(before) === describe(wanted)) return [];
    if (before !== null) await this.#keepRoutes();
    const notices = await configureTun(this.#host.runner, this.#tun, {
      ipv4: clientIp,
      prefix4,
      ipv6: clientIp6,
      prefix6,
      mtu: mtu(),
    });
    this.#present = wanted;
    if (before !== null) await this.#remove(before, wanted);
    return notices;
  }

  /**
   * With the last IPv4 address of a device the kernel drops its routes, those that turn the traffic
   * into the tunnel among them. So the new one comes first, and takes the place of the old one.
   */
  async #keepRoutes(): Promise<void> {
    await this.#host.sysctl.write(`net/ipv4/conf/${this.#tun}/promote_secondaries`, "1");
  }

  /** What is gone already, as IPv6 where the machine refuses it, needs no removing. */
  async #remove(old: Addresses, wanted: Addresses): Promise<void> {
    const remove = (family: string, address: string) =>
      this.#host.runner.run(["ip", family, "address", "del", address, "dev", this.#tun]);
    if (old.clientIp !== wanted.clientIp) await remove("-4", `${old.clientIp}/${old.prefix4}`);
    if (old.clientIp6 !== wanted.clientIp6) await remove("-6", `${old.clientIp6}/${old.prefix6}`);
  }
}

function describe({ clientIp, clientIp6 }: Addresses): string {
  return `${clientIp} and ${clientIp6}`;
}
