/** Cables between namespaces. */

import type { Namespace } from "./namespace.ts";

interface VethEnd {
  /** Interface name inside its namespace, at most 15 characters. */
  name: string;
  /** With prefix length, IPv4 and IPv6 mixed: ["10.1.0.1/24", "fd00:1::1/64"]. */
  addresses?: readonly string[];
}

/** Joins two namespaces by a veth pair, both ends up and with their addresses. */
export async function connect(
  a: Namespace,
  b: Namespace,
  ends: { a: VethEnd; b: VethEnd; mtuBytes?: number },
): Promise<void> {
  const mtu = String(ends.mtuBytes ?? 1500);
  await a.run(
    ...["ip", "link", "add", ends.a.name, "mtu", mtu, "type", "veth"],
    ...["peer", "name", ends.b.name, "mtu", mtu, "netns", b.name],
  );
  await configure(a, ends.a);
  await configure(b, ends.b);
}

/** Gives an interface its addresses and brings it up. */
export async function configure(namespace: Namespace, end: VethEnd): Promise<void> {
  const { name, addresses = [] } = end;
  await namespace.run("ip", "link", "set", name, "up");
  for (const address of addresses) {
    const nodad = address.includes(":") ? ["nodad"] : [];
    await namespace.run("ip", "address", "add", address, "dev", name, ...nodad);
  }
}
