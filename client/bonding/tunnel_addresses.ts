/** The addresses this machine has inside the tunnel: those of the session in use. */
import type { CommandRunner } from "../../lib/host/command/runner.ts";
import type { SysctlAccess } from "../../lib/host/sysctl/sysctl.ts";
import { listInterfaces } from "../../lib/host/links/network_interface.ts";
import { findOverlaps } from "../../lib/host/links/network_overlap.ts";
import { familyOf, hostPrefix } from "../../lib/host/links/address.ts";
import { readRoutes } from "../../lib/host/routes/gateway/routing_table.ts";
import { TunKeeper } from "../../lib/host/links/tun_keeper.ts";
import { normalizeCidr } from "cidr-tools";
import { TunnelNetwork } from "../../lib/protocol/wire/tunnel_network.ts";
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
  readonly #keeper: TunKeeper;
  #present: Addresses | null = null;
  /** Of links whose networks overlap the tunnel's: each is said once. */
  #overlapsSaid = new Set<string>();

  constructor(host: TunHost, tun: string) {
    this.#host = host;
    this.#tun = tun;
    this.#keeper = new TunKeeper(host.runner, tun);
  }

  /** As in `10.8.0.2 and fd00:8::2`, those that the machine took; empty before the first session. */
  toString(): string {
    if (this.#present === null) return "";
    return this.#keeper.hasIpv6 ? describe(this.#present) : this.#present.clientIp;
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
    const notices = await this.#keeper.configure({
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
   * Puts back addresses that another program took, and looks whether a link has a network that
   * overlaps the tunnel's. Returns notices for people. @throws CommandError.
   */
  async keep(mtu: () => number): Promise<string[]> {
    if (this.#present === null) return [];
    return [...await this.#keeper.look(mtu()), ...await this.#noteOverlaps(this.#present)];
  }

  /**
   * Of two networks with the same prefix the link's wins, as it was there first. So the server's
   * address inside the tunnel gets a route of its own; everything beyond works in any case.
   */
  async #noteOverlaps(own: Addresses): Promise<string[]> {
    const network = networkOf(own);
    const interfaces = await listInterfaces(this.#host.runner);
    const overlaps = findOverlaps(interfaces, this.#tun, [network.subnet4, network.subnet6]);
    const notices: string[] = [];
    const said = new Set<string>();
    for (const { device, address, subnet } of overlaps) {
      said.add(`${device} ${address}`);
      const server = subnet === network.subnet4 ? network.server.ipv4 : network.server.ipv6;
      await this.#leadToServer(server);
      if (this.#overlapsSaid.has(`${device} ${address}`)) continue;
      notices.push(
        `${device} has ${address}, which overlaps the tunnel's ${subnet}: ${server} and everything ` +
          "beyond is reached through the tunnel, other addresses of that network on the link; the " +
          "server's operator can give the tunnel another one (-network, -network6)",
      );
    }
    this.#overlapsSaid = said;
    return notices;
  }

  /** Where somebody else has a route to that very address, it stays theirs. */
  async #leadToServer(server: string): Promise<void> {
    const { runner } = this.#host;
    const present = await readRoutes(runner, familyOf(server), ["exact", hostPrefix(server)]);
    // Even a route that is made again as it is, is news to whoever follows routes, as we do.
    if (present.length > 0) return;
    await runner.run(["ip", "route", "add", server, "dev", this.#tun]);
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

/** The networks that a client was given addresses in. */
export function networkOf({ clientIp, clientIp6, prefix4, prefix6 }: Addresses): TunnelNetwork {
  return new TunnelNetwork(
    normalizeCidr(`${clientIp}/${prefix4}`),
    normalizeCidr(`${clientIp6}/${prefix6}`),
  );
}

function describe({ clientIp, clientIp6 }: Addresses): string {
  return `${clientIp} and ${clientIp6}`;
}
