import { deepEqual, equal } from "node:assert/strict";
import type { NetworkInterface } from "../../lib/host/links/network_interface.ts";
import { FakeRunner } from "../../testing/fake_runner.ts";
import { networkInterface } from "../../testing/network_interface.ts";
import { NextHopMemory } from "../../lib/host/routes/gateway/next_hop_memory.ts";
import type { NextHop } from "../../lib/host/routes/gateway/routing_table.ts";
import { globalAddresses, readLinks, uplinkState } from "./uplinks.ts";

const address = (text: string, prefixLength: number, scope = "global") => ({
  family: text.includes(":") ? 6 as const : 4 as const,
  address: text,
  prefixLength,
  peer: undefined,
  scope,
});
const link = (more: Partial<NetworkInterface> = {}): NetworkInterface =>
  networkInterface("wan1", {
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

/** What a link is said to be. */
const say = (one: NetworkInterface | undefined, found?: NextHop, memory = new NextHopMemory()) => {
  const state = uplinkState(one, 4, found, memory);
  return state.isUsable ? `via ${state.nextHop.gateway?.address}` : state.why;
};

Deno.test("uplinkState() says why a link leads nowhere", () => {
  equal(say(undefined), "is not there");
  equal(say(link({ up: false })), "is down");
  equal(say(link({ lowerUp: false })), "has no carrier");
  equal(say(link({ addresses: [] })), "has no IPv4 address");
  equal(say(link()), "has no IPv4 gateway");
});

Deno.test("uplinkState() takes the gateway there is, else the one that went with the link", () => {
  const memory = new NextHopMemory();
  equal(say(link(), hop("192.0.2.1"), memory), "via 192.0.2.1");
  equal(say(link(), hop("192.0.2.9"), memory), "via 192.0.2.9");
  equal(say(link({ lowerUp: false }), undefined, memory), "has no carrier");
  equal(say(link(), undefined, memory), "via 192.0.2.9");
  equal(say(link({ addresses: [] }), undefined, memory), "has no IPv4 address");
  equal(say(link(), undefined, memory), "via 192.0.2.9");
  equal(say(link(), hop("192.0.2.1"), memory), "via 192.0.2.1");
  equal(say(link(), undefined, memory), "has no IPv4 gateway");
});

Deno.test("globalAddresses() leaves out link-local ones and is bounded", () => {
  deepEqual(globalAddresses(link(), 6, 8), ["2001:db8::10"]);
  const many = link({ addresses: [1, 2, 3].map((n) => address(`192.0.2.${n}`, 24)) });
  deepEqual(globalAddresses(many, 4, 2), ["192.0.2.1", "192.0.2.2"]);
});

Deno.test("readLinks() tells what leads out: what has a gateway, and no tunnel that others route into", async () => {
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
  const { leadingOut } = await readLinks(runner, "all", new Set());
  deepEqual([...leadingOut], ["wan1", "ppp0", "wan2"]);
});
