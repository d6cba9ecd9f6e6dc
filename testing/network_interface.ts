import type { NetworkInterface } from "../lib/host/links/network_interface.ts";

/** An interface that is up, with an IPv4 address of the network 192.0.2.0/24. */
export function networkInterface(
  name: string,
  change: Partial<NetworkInterface> = {},
): NetworkInterface {
  const address = { family: 4 as const, address: "192.0.2.2", prefixLength: 24 };
  return {
    ...{ name, index: 2, up: true, lowerUp: true, loopback: false, pointToPoint: false, mtu: 1500 },
    addresses: [{ ...address, peer: undefined, scope: "global" }],
    ...change,
  };
}

/** An interface that is up, with these addresses: each with the length of its prefix, and its peer. */
export function interfaceWith(
  name: string,
  ...addresses: [string, number, string?][]
): NetworkInterface {
  return networkInterface(name, {
    loopback: name === "lo",
    addresses: addresses.map(([address, prefixLength, peer]) => ({
      family: address.includes(":") ? 6 : 4,
      ...{ address, prefixLength, peer },
      scope: address.startsWith("fe80") ? "link" : "global",
    })),
  });
}
