import { deepEqual, equal, throws } from "node:assert/strict";
import type { NetworkInterface } from "../../lib/net/interface/network_interface.ts";
import { chooseLinks, linkIdentity } from "./links.ts";

function makeInterface(name: string, change: Partial<NetworkInterface> = {}): NetworkInterface {
  return {
    name,
    index: 1,
    up: true,
    lowerUp: true,
    loopback: false,
    pointToPoint: false,
    mtu: 1500,
    addresses: [{
      family: 4,
      address: "192.0.2.2",
      prefixLength: 24,
      peer: undefined,
      scope: "global",
    }],
    ...change,
  } as NetworkInterface;
}

const wan = (name: string, sourceAddress: string | null = null) => ({
  interfaceName: name,
  sourceAddress,
});

Deno.test("chooseLinks keeps the user's order, which gives the path ids", () => {
  const interfaces = [makeInterface("a"), makeInterface("b")];
  deepEqual(chooseLinks([wan("b"), wan("a", "192.0.2.2")], interfaces, "fluxify"), [
    { id: 0, name: "b", sourceAddress: null },
    { id: 1, name: "a", sourceAddress: "192.0.2.2" },
  ]);
});

Deno.test("chooseLinks names the interface that is not there, and those that are", () => {
  throws(() => chooseLinks([wan("a"), wan("x")], [makeInterface("a")], "fluxify"), /x.*a/);
});

Deno.test("chooseLinks refuses a source address of another interface", () => {
  const interfaces = [makeInterface("a"), makeInterface("b")];
  throws(() => chooseLinks([wan("a", "198.51.100.9"), wan("b")], interfaces, "fluxify"), /198\.51/);
});

Deno.test("chooseLinks without names takes all that work, and wants two of them", () => {
  const interfaces = [
    makeInterface("lo", { loopback: true }),
    makeInterface("a"),
    makeInterface("fluxify"),
    makeInterface("b", { up: false }),
  ];
  throws(() => chooseLinks([], interfaces, "fluxify"), /at least two.*a, b \(is down\)/);
  interfaces.push(makeInterface("c"));
  deepEqual(chooseLinks([], interfaces, "fluxify").map(({ name }) => name), ["a", "c"]);
});

Deno.test("linkIdentity changes with the interface, the gateway and the addresses", () => {
  const state = (link: NetworkInterface, gateway?: string) =>
    linkIdentity({
      isUsable: true,
      interface: link,
      nextHop: {
        device: link.name,
        gateway: gateway === undefined ? undefined : { address: gateway, family: 4, onlink: false },
      },
    });
  const identities = [
    state(makeInterface("a")),
    state(makeInterface("a", { index: 2 })),
    state(makeInterface("a"), "192.0.2.1"),
    state(makeInterface("a", { addresses: [] })),
  ];
  equal(new Set(identities).size, identities.length);
  equal(state(makeInterface("a")), identities[0]);
});
