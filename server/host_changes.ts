import { clampMss } from "../lib/host/firewall/mss_clamp.ts";
import { enableNat } from "../lib/host/firewall/nat.ts";
import { guardTunnel } from "../lib/host/firewall/tunnel_guard.ts";
import type { HostJournal } from "../lib/host/journal/host_journal.ts";
import { listInterfaces, type NetworkInterface } from "../lib/host/links/network_interface.ts";
import { findOverlaps } from "../lib/host/links/network_overlap.ts";
import type { TunKeeper } from "../lib/host/links/tun_keeper.ts";
import { enableForwarding } from "../lib/host/sysctl/forwarding.ts";
import type { TunnelNetwork } from "../lib/protocol/wire/tunnel_network.ts";
import type { ServeOptions } from "./options.ts";
import { TUN_MTU } from "./tun.ts";

type HostOptions = Pick<
  ServeOptions,
  "tunName" | "egressInterface" | "mssClamp" | "clientsReachEachOther" | "network"
>;

export type GuardedOptions = Pick<HostOptions, "tunName" | "clientsReachEachOther" | "network">;

/**
 * Makes the machine a router between the tunnel and the internet: what guards the tunnel, its
 * addresses, forwarding, NAT. All but the addresses, which go with the device, is undone by the
 * journal. Returns notices for people.
 * @throws Error when a network of the machine's own overlaps the tunnel's, and as guardTunnel(),
 * TunKeeper.configure(), enableForwarding() and enableNat().
 */
export async function changeHost(
  journal: HostJournal,
  keeper: TunKeeper,
  { tunName: tun, egressInterface, mssClamp: clamp, clientsReachEachOther, network }: HostOptions,
): Promise<string[]> {
  refuseOverlap(await listInterfaces(journal.runner), tun, network);
  // Before the device has its addresses and anything is forwarded: there is no unguarded moment.
  const notices = await guardClients(journal, { tunName: tun, clientsReachEachOther, network });
  notices.push(
    ...await keeper.configure({
      ...network.server,
      prefix4: network.prefix4,
      prefix6: network.prefix6,
      mtu: TUN_MTU,
    }),
  );
  notices.push(...await enableForwarding(journal, tun));
  const nat = await enableNat(journal, {
    tun,
    subnet4: network.subnet4,
    subnet6: network.subnet6,
    ...(egressInterface === null ? {} : { egress: [egressInterface] }),
    clientsReachEachOther,
  });
  notices.push(...nat.notices);
  notices.push(...await clampMss(journal, { tun, clamp, backend: nat.backend }));
  return notices;
}

/**
 * Guards the tunnel, in the place of a guard of before. `behindClients`: prefixes behind clients, to
 * which connections may be opened from this side. As guardTunnel().
 */
export function guardClients(
  journal: HostJournal,
  { tunName: tun, clientsReachEachOther, network: { server } }: GuardedOptions,
  behindClients: readonly string[] = [],
): Promise<string[]> {
  return guardTunnel(journal, {
    tun,
    addresses: [server.ipv4, server.ipv6],
    forwarded: clientsReachEachOther
      ? "what clients asked for, and each other"
      : "what clients asked for",
    behindClients,
  });
}

/** @throws Error when a network of the machine's own would take the clients' packets. */
function refuseOverlap(
  interfaces: readonly NetworkInterface[],
  tun: string,
  network: TunnelNetwork,
): void {
  const { subnet4, subnet6 } = network;
  const [overlap] = findOverlaps(interfaces, tun, [subnet4, subnet6]);
  if (overlap === undefined) return;
  const { device, address, subnet } = overlap;
  const flag = subnet === subnet4 ? "-network 10.99.0.0/24" : "-network6 fd99::/64";
  throw new Error(
    `Cannot use ${subnet} inside the tunnel: ${device} of this machine has ${address}; give another ` +
      `network, such as ${flag}`,
  );
}
