import { deepEqual, equal } from "node:assert/strict";
import type { NetworkInterface } from "../../lib/host/links/network_interface.ts";
import { FakeRunner } from "../../testing/fake_runner.ts";
import { findUplinks, globalAddresses, type KnownGateway, wayOf } from "./uplinks.ts";

const address = (text: string, prefixLength: number, scope = "global") => ({
  family: text.includes(":") ? 6 as const : 4 as const,
  address: text,
  prefixLength,
  peer: undefined,
  scope,
});
const link = (more: Partial<NetworkInterface> = {}): NetworkInterface => ({
  name: "wan1",
  index: 2,
  up: true,
  lowerUp: true,
  loopback: false,
  pointToPoint: false,
  mtu: 1500,
  addresses: [
    address("192.0.2.10", 24),
    address("fe80::2", 64, "link"),
    address("2001:db8::10", 64),
  ],
  ...more,
});
const hop = (text: string, family: 4 | 6 = 4) => ({
  device: "wan1",
  gateway: { address: text, family, onlink: false },
});
const known = (text: string, wentWithLink = false) => (
  { nextHop: hop(text), wentWithLink, misses: 0 }
);

Deno.test("wayOf() says why a link leads nowhere", () => {
  const why = (one: NetworkInterface | undefined) => {
    const { way } = wayOf(one, 4, undefined, null, false);
    return way.isUsable ? "usable" : way.why;
  };
  equal(why(undefined), "is not there");
  equal(why(link({ up: false })), "is down");
  equal(why(link({ lowerUp: false })), "has no carrier");
  equal(why(link({ addresses: [] })), "has no IPv4 address");
  equal(why(link()), "has no IPv4 gateway");
});

Deno.test("wayOf() takes the gateway there is", () => {
  const found = hop("192.0.2.9");
  deepEqual(wayOf(link(), 4, found, known("192.0.2.1", true), false), {
    way: { isUsable: true, nextHop: found },
    known: { nextHop: found, wentWithLink: false, misses: 0 },
  });
});

Deno.test("wayOf() remembers a gateway that went with its link, until it is no neighbour", () => {
  const down = wayOf(link({ up: false }), 4, undefined, known("192.0.2.1"), false).known;
  deepEqual(down, known("192.0.2.1", true));
  deepEqual(wayOf(link(), 4, undefined, down, false), {
    way: { isUsable: true, nextHop: hop("192.0.2.1") },
    known: down,
  });
  const elsewhere = link({ addresses: [address("198.51.100.7", 24)] });
  equal(wayOf(elsewhere, 4, undefined, down, false).way.isUsable, false);
  const local = { nextHop: hop("fe80::1", 6), wentWithLink: true, misses: 0 };
  equal(wayOf(link(), 6, undefined, local, false).way.isUsable, true);
});

Deno.test("wayOf() believes in a short interruption nobody saw but the monitor", () => {
  const seen = wayOf(link(), 4, undefined, known("192.0.2.1"), true);
  equal(seen.way.isUsable, true);
});

Deno.test("wayOf() forgets a gateway that is withdrawn, unless the link turns out to have gone", () => {
  const look = (before: KnownGateway | null, wentDown = false) => {
    const { way, known: after } = wayOf(link(), 4, undefined, before, wentDown);
    return { isUsable: way.isUsable, known: after };
  };
  const first = look(known("192.0.2.1"));
  equal(first.isUsable, false);
  equal(look(first.known, true).isUsable, true);
  const second = look(first.known);
  equal(look(second.known, true).isUsable, true);
  equal(look(second.known).known, null);
  equal(look(null, true).isUsable, false);
});

Deno.test("globalAddresses() leaves out link-local ones and is bounded", () => {
  deepEqual(globalAddresses(link(), 6, 8), ["2001:db8::10"]);
  const many = link({ addresses: [1, 2, 3].map((n) => address(`192.0.2.${n}`, 24)) });
  deepEqual(globalAddresses(many, 4, 2), ["192.0.2.1", "192.0.2.2"]);
});

Deno.test("findUplinks() takes what has a gateway, and no tunnel that others route into", async () => {
  const names = ["lo", "wan1", "lan0", "ppp0", "wg0", "wan2"];
  const links = names.map((ifname, index) => ({
    ifindex: index + 1,
    ifname,
    flags: [
      ...["UP", "LOWER_UP"],
      ...(ifname === "lo" ? ["LOOPBACK"] : []),
      ...(ifname === "ppp0" || ifname === "wg0" ? ["POINTOPOINT"] : []),
    ],
    mtu: 1500,
    addr_info: [{ family: "inet", local: `192.0.2.${index}`, prefixlen: 32 }],
  }));
  const routes = [
    { dst: "default", dev: "wan1", gateway: "192.0.2.99", flags: ["onlink"] },
    { dst: "default", dev: "ppp0", scope: "link", metric: 7, flags: [] },
    { dst: "default", dev: "wg0", scope: "link", table: "51820", flags: [] },
    { dst: "default", dev: "wan2", scope: "link", table: "102", flags: [] },
  ];
  const runner = new FakeRunner()
    .on("ip -j address show", JSON.stringify(links))
    .on("ip -4 -j route show table all", JSON.stringify(routes))
    .on("ip -6 -j route show table all", "[]")
    .on("ip -4 -j route get", { code: 2, stderr: "unreachable" })
    .on("ip -6 -j route get", { code: 2, stderr: "unreachable" });
  deepEqual(await findUplinks(runner), ["wan1", "ppp0", "wan2"]);
});
