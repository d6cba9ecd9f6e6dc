import { deepEqual, equal, rejects } from "node:assert/strict";
import { FakeRunner } from "../../testing/fake_runner.ts";
import { HostJournal } from "../../lib/host/journal/host_journal.ts";
import { TestDirectory } from "../../lib/host/journal/test_directory.ts";
import { ServerRoutes } from "../../lib/host/routes/server_routes.ts";
import { isExpectedDown } from "./bonded_client.ts";
import { FIRST_ANSWER_AFTER_MS } from "./endpoint_choice.ts";
import type { ServerEndpoint } from "./server_endpoints.ts";
import { BEGUN, makeMachine, SERVER, SERVER6 } from "./test_link_machine.ts";

Deno.test("LinkSet makes one path for each link, once", async () => {
  const { usable, refresh } = makeMachine();
  deepEqual(await refresh(null), ["prepare a", "prepare b"]);
  deepEqual(usable(), ["a", "b"]);
  deepEqual(await refresh(7), ["add a to 7", "add b to 7"]);
  deepEqual(await refresh(7), []);
});

Deno.test("LinkSet drops the path of a link without carrier and makes it anew", async () => {
  const { set, usable, refresh, machine } = makeMachine();
  await refresh(7);
  machine.a.hasCarrier = false;
  deepEqual(await refresh(7), ["remove 0 of 7"]);
  deepEqual(usable(), ["b"]);
  equal(set.describeUnusable(), "a has no carrier");
  machine.a.hasCarrier = true;
  deepEqual(await refresh(7), ["add a to 7"]);
  equal(set.describeUnusable(), "");
});

Deno.test("LinkSet ends the path of a link that was seen away before it looks, and makes it anew", async () => {
  const { set, usable, refresh, machine, log } = makeMachine();
  await refresh(7);
  const looked = set.refresh(7, new Set(["a", "elsewhere"]));
  deepEqual(log.splice(0), ["remove 0 of 7"]);
  await looked;
  deepEqual(log.splice(0), ["add a to 7"], "it was back at once");
  machine.a.hasCarrier = false;
  await set.refresh(7, new Set(["a"]));
  deepEqual(log.splice(0), ["remove 0 of 7"]);
  deepEqual(usable(), ["b"]);
});

Deno.test("LinkSet makes a path anew when its gateway changes, or its source address goes", async () => {
  const { refresh, machine } = makeMachine();
  await refresh(7);
  machine.b.gateways = ["198.51.100.254"];
  deepEqual(await refresh(7), ["remove 1 of 7", "add b to 7"]);
  machine.b.addresses = ["198.51.100.3"];
  deepEqual(await refresh(7), ["remove 1 of 7", "add b to 7"]);
});

Deno.test("LinkSet makes a path anew when a router gives up the network of its source", async () => {
  const { refresh, machine } = makeMachine([SERVER6]);
  machine.a.gateways = ["fe80::1"];
  machine.a.addresses = ["2001:db8:1::2"];
  deepEqual(await refresh(7), ["prepare a", "add a to 7 over IPv6"]);
  machine.a.deprecated = ["2001:db8:1::2"];
  deepEqual(await refresh(7), []);
  machine.a.addresses.push("2001:db8:7::2");
  deepEqual(await refresh(7), ["remove 0 of 7", "add a to 7 over IPv6"]);
  machine.a.addresses.shift();
  deepEqual(await refresh(7), []);
});

Deno.test("LinkSet leaves a path alone when its link gets further addresses", async () => {
  const { refresh, machine } = makeMachine([SERVER, SERVER6]);
  await refresh(7);
  machine.a.addresses.push("192.0.2.3", "2001:db8:1::2");
  machine.a.gateways.push("2001:db8:1::1");
  deepEqual(await refresh(7), []);
});

Deno.test("LinkSet makes a path anew when its interface takes more, where it is probed", async () => {
  for (const forbidsFragments of [false, true]) {
    const { refresh, machine } = makeMachine(undefined, undefined, undefined, forbidsFragments);
    await refresh(7);
    machine.b.mtu = 1280;
    deepEqual(await refresh(7), [], "the kernel says so of what is too large");
    machine.b.mtu = 1500;
    deepEqual(await refresh(7), forbidsFragments ? ["remove 1 of 7", "add b to 7"] : []);
    deepEqual(await refresh(7), []);
  }
});

Deno.test("LinkSet prepares an interface that was made anew under the same name", async () => {
  const { refresh, machine } = makeMachine();
  await refresh(7);
  machine.a.index = 9;
  deepEqual(await refresh(7), ["prepare a", "remove 0 of 7", "add a to 7"]);
});

Deno.test("LinkSet remembers the gateway of a link that came back without its routes", async () => {
  const { usable, refresh, machine } = makeMachine();
  await refresh(7);
  machine.a.hasCarrier = false;
  machine.a.gateways = [];
  await refresh(7);
  machine.a.hasCarrier = true;
  deepEqual(await refresh(7), ["add a to 7"]);
  deepEqual(usable(), ["a", "b"]);
});

Deno.test("LinkSet gives a new session paths of its own, and leaves the old one's alone", async () => {
  const { refresh } = makeMachine();
  await refresh(7);
  deepEqual(await refresh(8), ["add a to 8", "add b to 8"]);
});

Deno.test("LinkSet does refreshes one after the other, and one for all that wait", async () => {
  const { set, refresh, log } = makeMachine();
  await refresh(null);
  set.begin({ session: 7, ...BEGUN, granter: SERVER, how: "anew" });
  await Promise.all([set.refresh(7), set.refresh(7)]);
  deepEqual(log.splice(0), ["add a to 7", "add b to 7"]);

  const runner = new FakeRunner();
  const other = makeMachine([SERVER], runner);
  other.set.begin({ session: 7, ...BEGUN, granter: SERVER, how: "anew" });
  const first = other.set.refresh(null);
  await Promise.resolve(); // the first has begun
  await Promise.all([first, ...Array.from({ length: 50 }, () => other.set.refresh(7))]);
  equal(runner.lines.filter((line) => line.startsWith("ip -j address")).length, 2);
  deepEqual(other.log.slice(-2), ["add a to 7", "add b to 7"]);
});

Deno.test("LinkSet leads each link to an address of the server that it reaches", async () => {
  const { set, refresh, machine } = makeMachine([SERVER, SERVER6]);
  machine.b.addresses = ["2001:db8:2::2"];
  machine.b.gateways = ["2001:db8:2::1"];
  deepEqual(await refresh(7), [
    ...["prepare a", "add a to 7"],
    ...["prepare b", "add b to 7 over IPv6"],
  ]);
  deepEqual(set.usable().map(({ name, endpoint }) => `${name} ${endpoint.address}`), [
    "a 203.0.113.10",
    "b 2001:db8:113::10",
  ]);
  deepEqual(set.outerMtus(), [
    { id: 0, link: "a", interfaceMtu: 1500, family: 4 },
    { id: 1, link: "b", interfaceMtu: 1500, family: 6 },
  ]);

  machine.b.addresses.push("198.51.100.2");
  machine.b.gateways.push("198.51.100.1");
  deepEqual(await refresh(7), [], "what works is kept");
  machine.b.addresses.shift();
  deepEqual(await refresh(7), ["remove 1 of 7", "add b to 7"]);
});

Deno.test("LinkSet tries the other address of the server when a path stays silent", async () => {
  const { set, refresh, machine } = makeMachine([SERVER, SERVER6]);
  machine.a.addresses.push("2001:db8:1::2");
  machine.a.gateways.push("2001:db8:1::1");
  await refresh(7);
  const up = new Set([1]);
  const silentAt = (nowMs: number) => set.isRefreshDue(nowMs, (id) => up.has(id));
  equal(silentAt(0), false);
  equal(silentAt(FIRST_ANSWER_AFTER_MS - 1), false);
  equal(silentAt(FIRST_ANSWER_AFTER_MS), true);
  deepEqual(await refresh(7), ["remove 0 of 7", "add a to 7 over IPv6"]);
  deepEqual(await refresh(7), []);

  equal(silentAt(6000), false);
  equal(silentAt(6000 + FIRST_ANSWER_AFTER_MS), true);
  deepEqual(await refresh(7), ["remove 0 of 7", "add a to 7"], "and back again");

  up.clear(); // link b has no other way
  up.add(0);
  for (const nowMs of [20_000, 30_000, 40_000]) equal(silentAt(nowMs), false);
});

Deno.test("LinkSet goes on with the other links when one cannot be routed over", async () => {
  await using directory = await TestDirectory.create();
  const runner = new FakeRunner().on("ip", "");
  const journal = await HostJournal.open({ program: "t", runner, directory: directory.path });
  const { set, usable, log } = makeMachine(
    [{ ...SERVER, routes: new ServerRoutes(journal, SERVER.address) }],
    runner,
  );
  runner.on("ip -4 route add 203.0.113.10/32 via 192.0.2.1", {
    code: 2,
    stderr: "Error: Nexthop has invalid gateway.",
  });
  set.begin({ session: 7, ...BEGUN, granter: SERVER, how: "anew" });
  await set.refresh(7);
  deepEqual(log, ["prepare a", "prepare b", "add b to 7"]);
  deepEqual(usable(), ["b"]);
  runner.on("ip -4 route add", "");
  await set.refresh(7);
  deepEqual(log.slice(3), ["add a to 7"]);
  deepEqual(await journal.undoAll(), []);
});

Deno.test("LinkSet goes on with the other links when one goes while it is prepared", async () => {
  const { set, refresh, gone } = makeMachine();
  gone.add("a");
  deepEqual(await refresh(7), ["prepare a", "prepare b", "add b to 7"]);
  equal(set.describeUnusable(), "a cannot be used: gone");
  const isDue = (nowMs: number) => set.isRefreshDue(nowMs, () => true);
  deepEqual([0, 5000, 6000, 10_000].map(isDue), [true, true, false, true]);
  gone.clear();
  deepEqual(await refresh(7), ["prepare a", "add a to 7"]);
  deepEqual([20_000, 30_000].map(isDue), [false, false]);
});

Deno.test("LinkSet makes a path for each source address of one interface", async () => {
  const choices = ["192.0.2.2", "192.0.2.3"].map((sourceAddress) => ({
    ...{ interfaceName: "a", sourceAddress },
  }));
  const { set, refresh, usable, machine } = makeMachine([SERVER], new FakeRunner(), choices);
  machine.a.addresses.push("192.0.2.3");
  deepEqual(await refresh(7), [
    "prepare a",
    "add a (192.0.2.2) to 7",
    "add a (192.0.2.3) to 7",
  ]);
  deepEqual(set.devices, ["a"]);
  machine.a.addresses.shift();
  deepEqual(await refresh(7), ["remove 0 of 7"]);
  deepEqual(usable(), ["a (192.0.2.3)"]);
  equal(set.describeUnusable(), "a (192.0.2.2) does not have the address 192.0.2.2");
});

Deno.test("LinkSet does without a link that the engine cannot use, and tries it again", async () => {
  const { set, usable, refresh, noSocket } = makeMachine();
  noSocket.add("a");
  deepEqual(await refresh(7), ["prepare a", "prepare b", "add b to 7"]);
  deepEqual([usable(), set.describeUnusable()], [["b"], "a cannot be used: Cannot bind"]);
  equal(set.isRefreshDue(0, () => true), true);
  noSocket.clear();
  deepEqual(await refresh(7), ["add a to 7"]);
});

Deno.test("LinkSet keeps the paths of a session in use while another is tried out", async () => {
  const { set, refresh, machine } = makeMachine();
  await refresh(7);
  await refresh(8);
  machine.a.hasCarrier = false;
  deepEqual(await refresh(8), ["remove 0 of 7", "remove 0 of 8"]);
  set.forget(8);
  machine.a.hasCarrier = true;
  deepEqual(await refresh(7), ["add a to 7"]);
});

Deno.test("LinkSet is to look again after links that could not be read", async () => {
  const runner = new FakeRunner();
  const { set, refresh } = makeMachine([SERVER], runner);
  await refresh(7);
  const isDue = (nowMs: number) => set.isRefreshDue(nowMs, () => true);
  equal(isDue(0), false);
  runner.on("ip -j address", { code: 1, stderr: "Cannot allocate memory" });
  await rejects(set.refresh(7));
  deepEqual([1000, 5000, 6000, 10_000].map(isDue), [false, true, false, true]);
});

Deno.test("LinkSet has control routes over each link, first to the addresses in use", async () => {
  const routes = { ensure: () => Promise.resolve() } as unknown as ServerRoutes;
  const own: ServerEndpoint = { ...SERVER, address: "192.0.2.2" };
  const { set, refresh, machine } = makeMachine([
    ...[SERVER, SERVER6].map((one) => ({ ...one, routes })),
    own,
  ]);
  machine.a.addresses.push("2001:db8:1::2");
  machine.a.gateways.push("2001:db8:1::1");
  await refresh(null);
  deepEqual(
    set.controlRoutes().map(({ link, endpoint, isInUse }) =>
      `${link} to ${endpoint.address}${isInUse ? ", in use" : ""}`
    ),
    [
      "a to 203.0.113.10, in use",
      "b to 203.0.113.10, in use",
      "a to 2001:db8:113::10",
      "lo to 192.0.2.2, in use",
    ],
  );
});

Deno.test("LinkSet removes the routes to addresses of the server that are dropped", async () => {
  const removed: string[] = [];
  const endpoint = (address: string): ServerEndpoint => ({
    ...SERVER,
    address,
    routes: {
      ensure: () => Promise.resolve(),
      remove: (device: string) => Promise.resolve(removed.push(`${address} ${device}`)),
      removeAll: () => Promise.resolve(removed.push(`${address} all`)),
    } as unknown as ServerRoutes,
  });
  const { refresh, endpoints } = makeMachine([endpoint("203.0.113.10")]);
  await refresh(7);
  endpoints.all = endpoints.data = endpoints.both = [{ ...endpoints.all[0]!, host: "other name" }];
  await refresh(7);
  deepEqual(removed, []);
  endpoints.all = endpoints.data = endpoints.both = [endpoint("203.0.113.77")];
  deepEqual(await refresh(7), [
    ...["remove 0 of 7", "add a to 7", "remove 1 of 7", "add b to 7"],
  ]);
  equal(removed.at(-1), "203.0.113.10 all");
});

Deno.test("LinkSet without names uses an interface that comes later", async () => {
  const { refresh, usable, machine } = makeMachine([SERVER], new FakeRunner(), []);
  machine.b.gateways = [];
  deepEqual(await refresh(7), ["prepare a", "add a to 7"]);
  machine.b.gateways = ["198.51.100.1"];
  deepEqual(await refresh(7), ["prepare b", "add b to 7"]);
  deepEqual(usable(), ["a", "b"]);
});

Deno.test("LinkSet learns nothing of paths while the server holds no session", async () => {
  const { set, refresh, machine } = makeMachine([SERVER, SERVER6]);
  machine.a.addresses.push("2001:db8:1::2");
  machine.a.gateways.push("2001:db8:1::1");
  await refresh(7);
  for (const nowMs of [0, 10_000, 20_000]) equal(set.isRefreshDue(nowMs, null), false);
  const isDue = (nowMs: number) => set.isRefreshDue(nowMs, (id) => id === 1);
  equal(isDue(30_000), false, "only now it begins to wait");
  equal(isDue(30_000 + FIRST_ANSWER_AFTER_MS), true);
});

Deno.test("a path is expected to go down whose link is unusable, or none any more", async () => {
  const { set, refresh, machine } = makeMachine();
  await refresh(7);
  equal(isExpectedDown("a", set), false);
  equal(isExpectedDown("a (TLS)", set), true, "nobody wants one");
  machine.a.hasCarrier = false;
  await refresh(7);
  deepEqual(["a", "a (TLS)", "b"].map((path) => isExpectedDown(path, set)), [true, true, false]);
  set.choose(["a", "c"]);
  equal(isExpectedDown("b", set), true);
});
