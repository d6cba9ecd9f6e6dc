/** Where the packets of each scheduler go, both ways. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { SCHEDULERS } from "../../lib/protocol/wire/scheduler_name.ts";
import { PROBATION_MS } from "../../lib/protocol/path/eligibility.ts";
import type { Peer } from "./peer.ts";
import { bothOf, packetsByPath, pathOf, pathsInUse, Traffic } from "./traffic.ts";
import { VirtualNetwork } from "../../testing/virtual_network.ts";

function lossOf(peer: Peer, sent: number): number {
  const got = new Set(peer.received.map(({ flow, number }) => `${flow}:${number}`));
  equal(got.size, peer.received.length, "none came twice");
  return 1 - got.size / sent;
}

Deno.test("redundant: over two links of 5 % loss less than 0.5 % of 20,000 packets is lost", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 25], scheduler: "redundant", seed: 11 });
  network.run(500);
  for (const link of network.links) link.loss = 0.05;
  const traffic = new Traffic(network, { everyMs: 2, flows: 2 });
  network.run(10_000);
  traffic.stop();
  network.run(1000);
  for (const peer of bothOf(network)) {
    const loss = lossOf(peer, 2 * traffic.count);
    ok(traffic.count >= 5000 && loss < 0.005, `${loss} of ${traffic.count}`);
    ok(loss > 0, "the links do lose packets");
    ok(peer.drops.get("copy") > traffic.count, "each came twice as a rule");
  }
});

Deno.test("redundant: a link that is cut under load costs no packet", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 25], scheduler: "redundant" });
  network.run(500);
  const traffic = new Traffic(network);
  network.run(1000);
  network.links[0]!.cut = new Set(["up", "down"]);
  network.run(3000);
  network.links[0]!.cut.clear();
  network.run(1000);
  traffic.stop();
  network.run(1000);
  for (const peer of bothOf(network)) equal(lossOf(peer, 8 * traffic.count), 0);
});

function assertAllOn(network: VirtualNetwork, path: number, ms: number): void {
  for (const peer of bothOf(network)) deepEqual(pathsInUse(network, peer, ms), [path]);
}

Deno.test("failover: all on the nearest path, on another only while that is down", () => {
  using network = new VirtualNetwork({ delaysMs: [30, 10, 20], scheduler: "failover" });
  network.run(500);
  new Traffic(network);
  network.run(3000);
  assertAllOn(network, 1, 2900);
  network.links[1]!.cut = new Set(["up", "down"]);
  network.run(2000);
  assertAllOn(network, 2, 1000);
  network.links[1]!.cut.clear();
  network.run(500);
  equal(pathOf(network.client, 1).liveness.state, "up");
  assertAllOn(network, 2, 400);
  network.run(PROBATION_MS + 1000);
  assertAllOn(network, 1, 500);
});

Deno.test("failover: paths that are about as near do not take turns", () => {
  using network = new VirtualNetwork({ delaysMs: [14, 12], scheduler: "failover" });
  network.run(500);
  new Traffic(network);
  network.run(2000);
  assertAllOn(network, 1, 1900);
  network.links[1]!.cut = new Set(["up", "down"]);
  network.run(2000);
  network.links[1]!.cut.clear();
  network.run(10_000);
  equal(pathOf(network.client, 1).eligibility.reason, null);
  assertAllOn(network, 0, 10_000);
});

Deno.test("stripe: each flow's packets use all paths by weight, and come in order", () => {
  using network = new VirtualNetwork({ delaysMs: [5, 25], scheduler: "stripe" });
  network.run(500);
  const traffic = new Traffic(network, { everyMs: 5, flows: 2 });
  network.run(5000);
  traffic.stop();
  network.run(1000);
  for (const peer of bothOf(network)) {
    equal(lossOf(peer, 2 * traffic.count), 0);
    const [near, far] = packetsByPath(network, peer, Infinity);
    // By (score + 1) / (RTT + 10): 99 / 20 and 90 / 60, with a floor of 0.15 for each.
    const share = near! / (near! + far!);
    ok(Math.abs(share - 0.69) < 0.03, `${share} on the near path`);
    for (const flow of [0, 1]) {
      const numbers = peer.received.filter((packet) => packet.flow === flow).map((p) => p.number);
      deepEqual(numbers, numbers.toSorted((a, b) => a - b));
    }
  }
});

Deno.test("stripe: no path is doubted for packets that went on another", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 10, 10], scheduler: "stripe" });
  network.run(500);
  new Traffic(network, { everyMs: 130, flows: 1, from: [network.client] });
  network.run(60_000);
  for (const path of [0, 1, 2]) deepEqual(network.client.statesOf(path), ["up"], `path ${path}`);
});

Deno.test("stripe: a bad path gets no packets", () => {
  using network = new VirtualNetwork({ delaysMs: [5, 150], scheduler: "stripe" });
  new Traffic(network);
  network.run(4000);
  for (const peer of bothOf(network)) deepEqual(pathsInUse(network, peer, 1000), [0]);
});

for (const scheduler of SCHEDULERS) {
  Deno.test(`the server spreads packets as the client does: ${scheduler}`, () => {
    using network = new VirtualNetwork({ delaysMs: [10, 15], scheduler });
    network.run(500);
    equal(network.server.session.scheduling.scheduler.name, scheduler);
    new Traffic(network, { flows: 1, from: [network.server] });
    network.run(1000);
    const used = pathsInUse(network, network.client, 900);
    if (scheduler === "aggregate") ok(used.includes(0));
    else deepEqual(used, scheduler === "stripe" ? [0, 1] : [0]);
    equal(network.client.drops.get("copy") > 90, scheduler === "redundant");
  });
}

Deno.test("a server with a scheduler of its own keeps it, and the client its", () => {
  using network = new VirtualNetwork({
    ...{ delaysMs: [10, 15], scheduler: "stripe" },
    serverScheduler: "failover",
  });
  network.run(500);
  new Traffic(network);
  network.run(5000);
  equal(network.server.session.scheduling.scheduler.name, "failover");
  deepEqual(pathsInUse(network, network.client, 4000), [0]);
  deepEqual(pathsInUse(network, network.server, 4000), [0, 1]);
});

Deno.test("towards a v1 peer each side spreads packets as it was told itself", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 10], scheduler: "failover", x1: false });
  network.run(500);
  new Traffic(network);
  network.run(3000);
  equal(network.server.session.scheduling.scheduler.name, "flow");
  deepEqual(pathsInUse(network, network.server, 2000), [0]);
  deepEqual(pathsInUse(network, network.client, 2000), [0, 1]);
});

Deno.test("links of 20 and 4 Mbit/s and equal round trip are used 5:1 once that is known", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 10], scheduler: "stripe" });
  for (const [index, rate] of [2_500_000, 500_000].entries()) {
    Object.assign(network.links[index]!, { rate, queueMs: 60 });
  }
  network.run(500);
  for (const peer of bothOf(network)) peer.packetBytes = 3000;
  // 1.17 times what both carry.
  new Traffic(network, { everyMs: 7, flows: 8 });
  network.run(12_000);
  for (const peer of bothOf(network)) {
    const [fast, slow] = [0, 1].map((id) => pathOf(peer, id).quality.deliveryRate!);
    ok(Math.abs(fast! / slow! - 5) < 0.75, `rates ${fast} and ${slow}`);
  }
  const sentBefore = bothOf(network).map((peer) =>
    [0, 1].map((id) => pathOf(peer, id).counters.sentBytes)
  );
  network.run(3000);
  for (const [index, peer] of bothOf(network).entries()) {
    const [fast, slow] = [0, 1].map((id) =>
      pathOf(peer, id).counters.sentBytes - sentBefore[index]![id]!
    );
    ok(Math.abs(fast! / slow! - 5) < 1, `sent ${fast} and ${slow}`);
  }
});

Deno.test("aggregate: towards a v1 peer it is flow", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 15], scheduler: "aggregate", x1: false });
  network.run(500);
  equal(network.client.session.scheduling.scheduler.name, "flow");
  new Traffic(network, { flows: 1 });
  network.run(1000);
  deepEqual(pathsInUse(network, network.server, 900), [0]);
});

Deno.test("aggregate: a link that is cut under load costs few packets, and is used again", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 25], scheduler: "aggregate" });
  network.run(500);
  const traffic = new Traffic(network);
  network.run(1000);
  network.links[0]!.cut = new Set(["up", "down"]);
  network.run(3000);
  network.links[0]!.cut.clear();
  network.run(6000);
  for (const peer of bothOf(network)) ok(pathsInUse(network, peer, 1000).includes(0));
  traffic.stop();
  network.run(1000);
  for (const peer of bothOf(network)) {
    const loss = lossOf(peer, 8 * traffic.count);
    ok(loss < 0.01, `${loss} of ${8 * traffic.count}`);
  }
});

Deno.test("aggregate: what arrives on a link that is made anew is told, and believed", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 25], scheduler: "aggregate" });
  network.run(500);
  new Traffic(network);
  network.run(2000);
  network.client.removePath(0, network.now);
  network.run(200);
  network.addPath(0);
  network.run(1000);
  for (const peer of bothOf(network)) equal(peer.drops.get("bad message"), 0);
  for (const peer of bothOf(network)) ok(pathsInUse(network, peer, 500).includes(0));
});

Deno.test("aggregate: of DNS over two links of 5 % loss less than 1 % is lost, and none comes twice", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 25], scheduler: "aggregate", seed: 3 });
  network.run(500);
  for (const link of network.links) link.loss = 0.05;
  const bulk = new Traffic(network, { flows: 2, everyMs: 5 });
  network.run(3000);
  bulk.stop();
  network.run(500);
  for (const peer of bothOf(network)) peer.received.length = 0;
  const copied = bothOf(network).map(({ drops }) => drops.get("copy"));
  let count = 0;
  const stop = network.every(50, (now) => {
    for (const peer of bothOf(network)) peer.sendPacket({ flow: 53, number: count }, now);
    count++;
  });
  network.run(20_000);
  stop();
  network.run(500);
  for (const [index, peer] of bothOf(network).entries()) {
    const loss = lossOf(peer, count);
    ok(count >= 400 && loss < 0.01, `${loss} of ${count}`);
    ok(peer.drops.get("copy") > copied[index]! + 0.8 * count, "each came twice as a rule");
  }
});
