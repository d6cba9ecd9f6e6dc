import { equal } from "node:assert/strict";
import { networkOf, plainAddress, sourceOf } from "./source_address.ts";

Deno.test("sourceOf() is the IPv4 address, or the /64 of an IPv6 address", () => {
  const cases: [string, string][] = [
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::9", "2001:db8:1:2::/64"],
    ["2001:db8:1:3::9", "2001:db8:1:3::/64"],
    ["2001:0DB8::1", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["64:ff9b::192.0.2.1", "64:ff9b:0:0::/64"],
  ];
  for (const [address, source] of cases) equal(sourceOf(address), source);
});

Deno.test("plainAddress() takes IPv4 out of IPv6 and leaves the rest", () => {
  equal(plainAddress("::FFFF:192.0.2.1"), "192.0.2.1");
  equal(plainAddress("::ffff:1"), "::ffff:1");
  equal(plainAddress("2001:db8::1"), "2001:db8::1");
});

Deno.test("networkOf() is the /24 of an IPv4 address, or the /48 of an IPv6 address", () => {
  const cases: [string, string][] = [
    ["192.0.2.1", "192.0.2.0/24"],
    ["::ffff:192.0.2.1", "192.0.2.0/24"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"],
    ["2001:0DB8::1", "2001:db8:0::/48"],
  ];
  for (const [address, network] of cases) equal(networkOf(address), network);
});
