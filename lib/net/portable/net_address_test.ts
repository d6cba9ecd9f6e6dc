import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { netAddress, peerAddress } from "./net_address.ts";

const net = (hostname: string, port = 40000) => ({ transport: "udp" as const, hostname, port });

Deno.test("an IPv4 address is one peer, mapped or not", () => {
  const peer = peerAddress(net("203.0.113.7"));
  equal(peer.toString(), "203.0.113.7:40000");
  ok(peer.equals(peerAddress(net("::ffff:203.0.113.7"))));
  deepEqual(netAddress(peer, false), net("203.0.113.7"));
  deepEqual(netAddress(peer, true), net("0:0:0:0:0:ffff:cb00:7107"));
});

Deno.test("an IPv6 peer comes back as it was", () => {
  const peer = peerAddress(net("2001:db8::7"));
  equal(peer.toString(), "[2001:db8::7]:40000");
  deepEqual(netAddress(peer, true), net("2001:db8:0:0:0:0:0:7"));
});

Deno.test("the address made of a peer is that peer's", () => {
  const hostname = fc.oneof(fc.ipV4(), fc.ipV6());
  fc.assert(fc.property(hostname, fc.integer({ min: 1, max: 65_535 }), (hostname, port) => {
    const peer = peerAddress(net(hostname, port));
    ok(peerAddress(netAddress(peer, true)).equals(peer));
  }));
});

Deno.test("what is no address is refused", () => {
  for (const hostname of ["", "example.com", "::ffff:256.0.0.1"]) {
    throws(() => peerAddress(net(hostname)), RangeError);
  }
});
