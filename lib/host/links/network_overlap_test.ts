import { deepEqual } from "node:assert/strict";
import type { NetworkInterface } from "./network_interface.ts";
import { findOverlaps } from "./network_overlap.ts";

function link(name: string, ...addresses: [string, number, string?][]): NetworkInterface {
  return {
    ...{ name, index: 2, up: true, lowerUp: true, pointToPoint: false, mtu: 1500 },
    loopback: name === "lo",
    addresses: addresses.map(([address, prefixLength, peer]) => ({
      family: address.includes(":") ? 6 : 4,
      ...{ address, prefixLength, peer },
      scope: address.startsWith("fe80") ? "link" : "global",
    })),
  };
}

Deno.test("findOverlaps() names the links whose networks overlap the tunnel's", () => {
  const interfaces = [
    link("lo", ["127.0.0.1", 8], ["::1", 128]),
    link("fluxify", ["10.8.0.1", 24], ["fd00:8::1", 64]),
    link("eth0", ["192.168.1.5", 24], ["10.0.0.9", 8], ["fe80::1", 64]),
    link("tun0", ["10.8.0.6", 32, "10.8.0.5"]),
    link("eth1", ["10.8.1.5", 24], ["fd00:8::99", 48]),
  ];
  const overlaps = findOverlaps(interfaces, "fluxify", ["10.8.0.0/24", "fd00:8::/64"]);
  deepEqual(overlaps.map(({ device, address, subnet }) => `${device} ${address} ${subnet}`), [
    "eth0 10.0.0.9/8 10.8.0.0/24",
    "tun0 10.8.0.6/32 10.8.0.0/24",
    "eth1 fd00:8::99/48 fd00:8::/64",
  ]);
  deepEqual(findOverlaps(interfaces, "fluxify", ["172.20.0.0/16", "fd99::/64"]), []);
});
