/** The addresses of this machine that clients may reach it by. */
import type { NetworkInterface } from "../../lib/host/links/network_interface.ts";
import type { TunnelNetwork } from "../../lib/protocol/wire/tunnel_network.ts";
import { IFF_TUN } from "../../lib/ffi/linux/tun.ts";

/**
 * Those of the interfaces that are no tunnel, IPv4 first. An address inside a tunnel is reached
 * through it, so no client can begin there.
 */
export function ownAddresses(
  interfaces: readonly NetworkInterface[],
  isTun: (name: string) => boolean,
  network: TunnelNetwork,
): string[] {
  const inside = Object.values(network.server);
  return interfaces.filter(({ loopback, name }) => !loopback && !isTun(name))
    .flatMap(({ addresses }) => addresses.filter(({ scope }) => scope === "global"))
    .filter(({ address }) => !inside.includes(address))
    .sort((one, other) => one.family - other.family)
    .map(({ address }) => address);
}

/** Whether the kernel says that the interface is a TUN device. */
export function isTunDevice(name: string): boolean {
  try {
    return (Number(Deno.readTextFileSync(`/sys/class/net/${name}/tun_flags`)) & IFF_TUN) !== 0;
  } catch {
    return false; // other devices have no such file
  }
}
