import { deepEqual } from "node:assert/strict";
import type { NetworkInterface } from "../../lib/host/links/network_interface.ts";
import { DEFAULT_NETWORK } from "../../lib/protocol/wire/tunnel_network.ts";
import { ownAddresses } from "./own_addresses.ts";

function link(name: string, addresses: [4 | 6, string, string?][]): NetworkInterface {
  return {
    ...{ name, index: 1, up: true, lowerUp: true, pointToPoint: false, mtu: 1500 },
    loopback: name === "lo",
    addresses: addresses.map(([family, address, scope = "global"]) => ({
      ...{ family, address, scope, prefixLength: 24, peer: undefined },
    })),
  };
}

Deno.test("ownAddresses() proposes what clients reach, and no address inside a tunnel", () => {
  const interfaces = [
    link("lo", [[4, "127.0.0.1", "host"]]),
    link("eth0", [[6, "2001:db8::10"], [4, "203.0.113.10"], [6, "fe80::1", "link"]]),
    link("fluxify-srv", [[4, "10.8.0.1"], [6, "fd00:8::1"]]),
    link("vpn7", [[4, "10.99.0.1"]]),
  ];
  const isTun = (name: string) => name === "vpn7";
  // The server's own are known by their network as well, whatever their device is.
  deepEqual(ownAddresses(interfaces, isTun, DEFAULT_NETWORK), ["203.0.113.10", "2001:db8::10"]);
  deepEqual(
    ownAddresses(interfaces, (name) => isTun(name) || name === "eth0", DEFAULT_NETWORK),
    [],
  );
});
