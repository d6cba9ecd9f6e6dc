import { containsCidr, normalizeCidr } from "cidr-tools";
import type { TrafficMark } from "../traffic_mark.ts";
import { type AddressFamily, familyOf } from "../../links/address.ts";
import { PRIVATE_NETWORKS } from "../../links/private_networks.ts";
import { checkInterfaceName, type NetworkInterface } from "../../links/network_interface.ts";

/** What may leave the machine outside the tunnel. */
export interface PermittedTraffic {
  tun: string;
  /** Interfaces over which the server may be reached. */
  links: readonly string[];
  servers: readonly string[];
  /** TCP port of the control plane. */
  controlPort: number;
  /** UDP ports of the data plane; none as long as no server has told it. */
  dataPorts: readonly number[];
  networks: readonly LocalNetwork[];
  /** DNS servers that the client itself may ask for the server's name, each over its link. */
  resolvers: readonly { device: string; address: string }[];
}

/** Destinations that may be reached over an interface. */
export interface LocalNetwork {
  device: string;
  family: AddressFamily;
  /** Such as 192.168.1.0/24. */
  prefix: string;
  /** Packets with this mark alone; without it, all. */
  mark?: TrafficMark;
}

interface LocalNetworks {
  networks: LocalNetwork[];
  /** For people: networks that do not count as local, and why. */
  notices: string[];
}

const NETWORKS_MAX = 256;

/** The networks on this machine's links. Link-local addresses are allowed anyway and not among them. */
export function localNetworks(
  interfaces: readonly NetworkInterface[],
  tun: string,
): LocalNetworks {
  const networks = new Map<string, LocalNetwork>();
  const notices: string[] = [];
  for (const { name, loopback, addresses } of interfaces) {
    if (loopback || name === tun || !isPlainName(name)) continue;
    for (const { address, peer, prefixLength, scope } of addresses) {
      if (scope === "link") continue;
      const family = familyOf(address);
      const prefix = normalizeCidr(`${peer ?? address}/${prefixLength}`);
      if (networks.has(`${name} ${prefix}`)) continue;
      // Networks nobody on the Internet has, of any size, are local. No other is: who gives out addresses
      // on a link chooses its prefix, and could have the address of a server that the user talks to count
      // as local (TunnelCrack, LocalNet).
      if (!PRIVATE_NETWORKS.some((network) => containsCidr(network, prefix))) {
        notices.push(
          `the kill switch drops what goes to ${prefix} on ${name}: these are public addresses, and ` +
            "whoever gives them out chooses which",
        );
      } else if (networks.size < NETWORKS_MAX) {
        networks.set(`${name} ${prefix}`, { device: name, family, prefix });
      }
    }
  }
  return { networks: [...networks.values()], notices };
}

/** Others cannot be named in a rule without being taken for more than a name. */
export function isPlainName(name: string): boolean {
  try {
    checkInterfaceName(name);
    return true;
  } catch {
    return false;
  }
}
