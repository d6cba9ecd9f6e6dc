import { deepEqual, equal } from "node:assert/strict";
import { FakeRunner } from "../../lib/net/command/runner.ts";
import type { EnginePath } from "../../lib/net/engine/engine.ts";
import { LinkSet } from "./link_set.ts";

const SERVER = { address: "203.0.113.10", family: 4 } as const;

/** A machine with links a and b, whose carriers can be pulled. */
function makeMachine() {
  const down = new Set<string>();
  const gateways = new Map([["a", "192.0.2.1"], ["b", "198.51.100.1"]]);
  const link = (name: string, index: number, address: string) => ({
    ifindex: index,
    ifname: name,
    flags: down.has(name) ? ["UP", "BROADCAST"] : ["UP", "LOWER_UP", "BROADCAST"],
    mtu: 1500,
    link_type: "ether",
    addr_info: [{ family: "inet", local: address, prefixlen: 24, scope: "global" }],
  });
  const runner = new FakeRunner();
  const answerLinks = () =>
    runner.on("ip -j address", {
      stdout: JSON.stringify([link("a", 2, "192.0.2.2"), link("b", 3, "198.51.100.2")]),
    });
  const answerRoutes = () =>
    runner.on("ip -4 -j route", {
      stdout: JSON.stringify([...gateways].map(([dev, gateway], metric) => (
        { dst: "default", gateway, dev, metric, flags: [], protocol: "dhcp" }
      ))),
    });
  const log: string[] = [];
  const engine = {
    addPath: (session: number, path: EnginePath) => void log.push(`add ${path.name} to ${session}`),
    removePath: (session: number, id: number) => void log.push(`remove ${id} of ${session}`),
  };
  const links = ["a", "b"].map((name, id) => ({ id, name, sourceAddress: null }));
  const set = new LinkSet(runner, engine, null, links, SERVER);
  const refresh = async (session: number | null) => {
    answerLinks();
    answerRoutes();
    runner.on("ip -4 -j route get", { code: 2, stderr: "unreachable" });
    await set.refresh(session);
    return log.splice(0);
  };
  return { set, refresh, down, gateways, log };
}

Deno.test("LinkSet makes one path for each link, once", async () => {
  const { set, refresh } = makeMachine();
  deepEqual(await refresh(null), []);
  deepEqual(set.usable(), ["a", "b"]);
  deepEqual(await refresh(7), ["add a to 7", "add b to 7"]);
  deepEqual(await refresh(7), []);
});

Deno.test("LinkSet drops the path of a link without carrier and makes it anew", async () => {
  const { set, refresh, down } = makeMachine();
  await refresh(7);
  down.add("a");
  deepEqual(await refresh(7), ["remove 0 of 7"]);
  deepEqual(set.usable(), ["b"]);
  equal(set.describeUnusable(), "a has no carrier");
  down.clear();
  deepEqual(await refresh(7), ["add a to 7"]);
});

Deno.test("LinkSet makes a path anew when its gateway changes", async () => {
  const { refresh, gateways } = makeMachine();
  await refresh(7);
  gateways.set("b", "198.51.100.254");
  deepEqual(await refresh(7), ["remove 1 of 7", "add b to 7"]);
});

Deno.test("LinkSet remembers the gateway of a link that came back without its routes", async () => {
  const { set, refresh, down, gateways } = makeMachine();
  await refresh(7);
  down.add("a");
  gateways.delete("a");
  await refresh(7);
  down.clear();
  deepEqual(await refresh(7), ["add a to 7"]);
  deepEqual(set.usable(), ["a", "b"]);
});

Deno.test("LinkSet gives a new session paths of its own, and leaves the old one's alone", async () => {
  const { refresh } = makeMachine();
  await refresh(7);
  deepEqual(await refresh(8), ["add a to 8", "add b to 8"]);
});

Deno.test("LinkSet does two refreshes at once one after the other", async () => {
  const { set, refresh, log } = makeMachine();
  await refresh(null);
  await Promise.all([set.refresh(7), set.refresh(7)]);
  deepEqual(log, ["add a to 7", "add b to 7"]);
});
