import type { Child } from "../netns/namespace.ts";
import type { DaemonMachine } from "./daemon_machine.ts";

const START_TIMEOUT_MS = 15_000;

/** The one lease a DHCP server gives; the network is a /24. */
export interface Lease {
  address: string;
  gateway: string;
  nameServer: string;
}

/** Starts a DHCP server on an interface of `router` that has an address in the lease's network. */
export async function startDhcpServer(
  router: DaemonMachine,
  device: string,
  { address, gateway, nameServer }: Lease,
): Promise<Child> {
  const server = router.spawn(
    ...["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--port=0"],
    ...[`--interface=${device}`, "--bind-interfaces", "--no-ping", "--dhcp-authoritative"],
    ...[`--dhcp-range=${address},${address},255.255.255.0,2m`],
    ...[`--dhcp-option=option:router,${gateway}`, `--dhcp-option=option:dns-server,${nameServer}`],
    ...["--dhcp-leasefile=/run/leases", "--log-facility=-"],
  );
  await server.waitForLine(/sockets bound exclusively to interface/, START_TIMEOUT_MS);
  return server;
}
