import { messageOf } from "../../ffi/error_text.ts";
import type { HostJournal } from "../journal/host_journal.ts";
import { listInterfaces } from "../links/network_interface.ts";

const FORWARD_4 = "net/ipv4/ip_forward";
const FORWARD_6 = "net/ipv6/conf/all/forwarding";
const IGNORES_ROUTER_ADVERTISEMENTS = "0";
const TAKES_THEM_EVEN_WHEN_FORWARDING = "2";

/**
 * Lets this machine forward packets of both families. Interfaces that learn their IPv6 routes from
 * router advertisements go on doing so: the kernel would stop, and drop those routes, the moment
 * forwarding is on. The tunnel's clients are no routers: `tun` is left out. All of it is undone by the
 * journal, in the other order.
 *
 * Returns notices for people. Throws when IPv4 forwarding cannot be switched on.
 */
export async function enableForwarding(journal: HostJournal, tun: string): Promise<string[]> {
  const interfaces = await listInterfaces(journal.runner);
  const names = [...interfaces.map((one) => one.name), "default"];
  await journal.apply({
    kind: "sysctl",
    path: FORWARD_4,
    value: "1",
    sideEffects: [
      "net/ipv4/conf/all/accept_redirects",
      ...names.map((name) => `net/ipv4/conf/${name}/forwarding`),
    ],
  });

  const before = await journal.sysctl.read(FORWARD_6);
  const isOn = before === "1";
  if (before === null) {
    return ["this machine has no IPv6: the tunnel forwards IPv4 only"];
  }
  try {
    for (const { name, loopback } of interfaces) {
      if (loopback || name === tun) continue;
      const path = `net/ipv6/conf/${name}/accept_ra`;
      const present = await journal.sysctl.read(path);
      if (present === null || present === IGNORES_ROUTER_ADVERTISEMENTS) continue;
      // Also where it is set already: it may be another server's, which could stop before us.
      const change = { kind: "sysctl", path, value: TAKES_THEM_EVEN_WHEN_FORWARDING } as const;
      await journal.apply(change).catch((error) => {
        // In a container nothing may be written; who has switched forwarding on has seen to routes.
        if (!isOn) throw error;
      });
    }
    await journal.apply({
      kind: "sysctl",
      path: FORWARD_6,
      value: "1",
      sideEffects: names.map((name) => `net/ipv6/conf/${name}/forwarding`),
    });
  } catch (error) {
    const reason = messageOf(error);
    return [`cannot switch on IPv6 forwarding, the tunnel forwards IPv4 only: ${reason}`];
  }
  return [];
}
