import { deepEqual } from "node:assert/strict";
import { findOverlaps } from "./network_overlap.ts";
import { interfaceWith } from "../../../testing/network_interface.ts";

Deno.test("findOverlaps() names the links whose networks overlap the tunnel's", () => {
  const interfaces = [
    interfaceWith("lo", ["127.0.0.1", 8], ["::1", 128]),
    interfaceWith("fluxify", ["10.8.0.1", 24], ["fd00:8::1", 64]),
    interfaceWith("eth0", ["192.168.1.5", 24], ["10.0.0.9", 8], ["fe80::1", 64]),
    interfaceWith("tun0", ["10.8.0.6", 32, "10.8.0.5"]),
    interfaceWith("eth1", ["10.8.1.5", 24], ["fd00:8::99", 48]),
  ];
  const overlaps = findOverlaps(interfaces, "fluxify", ["10.8.0.0/24", "fd00:8::/64"]);
  deepEqual(overlaps.map(({ device, address, subnet }) => `${device} ${address} ${subnet}`), [
    "eth0 10.0.0.9/8 10.8.0.0/24",
    "tun0 10.8.0.6/32 10.8.0.0/24",
    "eth1 fd00:8::99/48 fd00:8::/64",
  ]);
  deepEqual(findOverlaps(interfaces, "fluxify", ["172.20.0.0/16", "fd99::/64"]), []);
});
