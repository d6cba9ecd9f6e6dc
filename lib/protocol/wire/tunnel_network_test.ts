import { deepEqual, equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { formatIpv6, isClientIpv4, isClientIpv6, parseIpv6 } from "./tunnel_address.ts";
import { DEFAULT_NETWORK, TunnelNetwork } from "./tunnel_network.ts";

const numbers = (network: TunnelNetwork) => [...network.clientNumbers("usual")];

Deno.test("the default network is that of the Go program", () => {
  deepEqual(DEFAULT_NETWORK.server, { ipv4: "10.8.0.1", ipv6: "fd00:8::1" });
  deepEqual(DEFAULT_NETWORK.addressesOf(254), { ipv4: "10.8.0.254", ipv6: "fd00:8::fe" });
  deepEqual(numbers(DEFAULT_NETWORK), Array.from({ length: 253 }, (_, i) => i + 2));
});

Deno.test("networks of other sizes have the hosts that fit into both families", () => {
  deepEqual(numbers(new TunnelNetwork("192.168.7.8/29", "fd12::/48")), [2, 3, 4, 5, 6]);
  equal(numbers(new TunnelNetwork("172.20.0.0/16", "fd12:0:0:7::/64")).length, 256 * 253);
  equal(numbers(new TunnelNetwork("172.20.0.0/16", "fd12::/120")).length, 253);
  const largest = new TunnelNetwork("172.20.0.0/16", "fd12::/48");
  const unusual = [...largest.clientNumbers("unusual")];
  deepEqual(unusual.slice(0, 4), [255, 256, 257, 511]);
  equal(unusual.length + numbers(largest).length, largest.clientCount);
  equal(largest.clientCount, 65_533);
  equal(largest.isClientNumber(65_535), false);
  deepEqual(largest.addressesOf(65_534), { ipv4: "172.20.255.254", ipv6: "fd12::fffe" });
  deepEqual(new TunnelNetwork("172.20.0.0/16", "fd12:3:4::/48").addressesOf(0x1234), {
    ipv4: "172.20.18.52",
    ipv6: "fd12:3:4::1234",
  });
  deepEqual(new TunnelNetwork("10.9.0.128/25", "fd12::100/120").server, {
    ipv4: "10.9.0.129",
    ipv6: "fd12::101",
  });
});

Deno.test("every client takes the addresses of every network for those of a client", () => {
  const lengths = fc.tuple(fc.integer({ min: 16, max: 29 }), fc.integer({ min: 48, max: 120 }));
  fc.assert(fc.property(lengths, fc.nat(2 ** 16 - 1), ([length4, length6], seed) => {
    const size4 = 2 ** (32 - length4);
    const base = 0x0a000000 + Math.floor(seed * 199 / size4) * size4;
    const subnet4 = `${[24, 16, 8, 0].map((s) => (base >>> s) & 0xff).join(".")}/${length4}`;
    const network = new TunnelNetwork(
      subnet4,
      `fd00:${seed.toString(16)}::/${length6}`.replace(
        /fd00:0::/,
        "fd00::",
      ),
    );
    const all = numbers(network);
    for (const number of [all[0]!, all[all.length >> 1]!, all.at(-1)!]) {
      const { ipv4, ipv6 } = network.addressesOf(number);
      equal(isClientIpv4(ipv4, 24), true, ipv4);
      equal(isClientIpv4(ipv4, length4), true, ipv4);
      equal(isClientIpv6(ipv6), true, ipv6);
      equal(network.numberOf(ipv4), number);
    }
  }));
});

Deno.test("numberOf() knows the addresses of clients alone", () => {
  const network = new TunnelNetwork("10.9.0.0/25", "fd12::/64");
  for (const other of ["10.9.0.1", "10.9.0.127", "10.9.0.128", "10.8.0.2", "10.9.0", "x", ""]) {
    equal(network.numberOf(other), null, other);
  }
  equal(network.numberOf("10.9.0.126"), 126);
});

Deno.test("what is no network is refused in words", () => {
  const cases: [string, string, RegExp][] = [
    ["10.8.0.0", "fd00::/64", /no network such as 10\.8\.0\.0\/24, from \/16 to \/29/],
    ["10.8.0.0/15", "fd00::/64", /from \/16 to \/29/],
    ["10.8.0.0/30", "fd00::/64", /from \/16 to \/29/],
    ["10.8.0.1/24", "fd00::/64", /the bits behind \/24 must be 0/],
    ["10.8.0.300/24", "fd00::/64", /no network/],
    ["10.8.0.0/24", "fd00::", /no network such as fd00:8::\/64, from \/48 to \/120/],
    ["10.8.0.0/24", "fd00::/47", /from \/48/],
    ["10.8.0.0/24", "fd00::1/64", /the bits behind \/64 must be 0/],
    ["10.8.0.0/24", "fd00:::/64", /no network/],
  ];
  for (const [subnet4, subnet6, words] of cases) {
    throws(() => new TunnelNetwork(subnet4, subnet6), words);
  }
});

Deno.test("formatIpv6() is the inverse of parseIpv6()", () => {
  const groups = fc.array(fc.oneof(fc.constant(0), fc.nat(0xffff)), { minLength: 8, maxLength: 8 });
  fc.assert(fc.property(groups, (value) => deepEqual(parseIpv6(formatIpv6(value)), value)));
  for (const text of ["::", "::1", "fd00:8::1", "1::", "1:0:2::", "1:2:3:4:5:6:7:8"]) {
    equal(formatIpv6(parseIpv6(text)!), text);
  }
});
