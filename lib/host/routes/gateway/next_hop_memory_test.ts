import { equal } from "node:assert/strict";
import type { NetworkInterface } from "../../links/network_interface.ts";
import { NextHopMemory } from "./next_hop_memory.ts";
import type { NextHop } from "./routing_table.ts";

const link = (address: string, prefixLength: number): NetworkInterface => ({
  ...{ name: "wan1", index: 2, up: true, lowerUp: true, loopback: false, pointToPoint: false },
  mtu: 1500,
  addresses: [{
    family: address.includes(":") ? 6 : 4,
    ...{ address, prefixLength, peer: undefined, scope: "global" },
  }],
});
const HOME = link("192.0.2.10", 24);
const nextHop = (address: string, onlink = false): NextHop => ({
  device: "wan1",
  gateway: { address, family: address.includes(":") ? 6 : 4, onlink },
});
const GATEWAY = nextHop("192.0.2.1");

Deno.test("NextHopMemory gives back the next hop that went with its link, while it is a neighbour", () => {
  const memory = new NextHopMemory();
  memory.found(GATEWAY);
  memory.linkWentDown();
  for (let look = 0; look < 5; look++) equal(memory.missing(HOME), GATEWAY);
  equal(memory.missing(link("198.51.100.7", 24)), undefined);
  equal(memory.missing(HOME), GATEWAY);
});

Deno.test("NextHopMemory takes the next hop that the routes name", () => {
  const memory = new NextHopMemory();
  memory.found(GATEWAY);
  memory.linkWentDown();
  const other = nextHop("192.0.2.9");
  memory.found(other);
  equal(memory.missing(HOME), undefined, "it is withdrawn");
  memory.linkWentDown();
  equal(memory.missing(HOME), other);
});

Deno.test("NextHopMemory forgets what is withdrawn, unless the link turns out to have gone", () => {
  const memory = new NextHopMemory();
  memory.found(GATEWAY);
  for (let look = 0; look < 2; look++) equal(memory.missing(HOME), undefined);
  memory.linkWentDown();
  equal(memory.missing(HOME), GATEWAY);

  memory.found(GATEWAY);
  for (let look = 0; look < 3; look++) equal(memory.missing(HOME), undefined);
  memory.linkWentDown();
  equal(memory.missing(HOME), undefined);
});

Deno.test("NextHopMemory knows neighbours that no prefix of the link contains", () => {
  for (const known of [nextHop("203.0.113.1", true), { device: "wan1", gateway: undefined }]) {
    const memory = new NextHopMemory();
    memory.found(known);
    memory.linkWentDown();
    equal(memory.missing(HOME), known);
  }
});

Deno.test("NextHopMemory leaves out a source address that the link has no more", () => {
  const memory = new NextHopMemory();
  memory.found({ ...GATEWAY, source: "192.0.2.10" });
  memory.linkWentDown();
  equal(memory.missing(HOME)?.source, "192.0.2.10");
  equal(memory.missing(link("192.0.2.11", 24))?.source, undefined);
});

Deno.test("NextHopMemory has nothing to give before anything was found", () => {
  const memory = new NextHopMemory();
  memory.linkWentDown();
  equal(memory.missing(HOME), undefined);
});
