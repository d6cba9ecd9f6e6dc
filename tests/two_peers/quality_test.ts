/** Paths that work, but badly, are left by the side that sends on them, and taken back in time. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { CONFIRM_MS, PROBATION_MS, RETURN_MS } from "../../lib/protocol/path/eligibility.ts";
import type { Peer } from "./peer.ts";
import { bothOf, packetsByPath, pathOf, pathsInUse, timeUntil, Traffic } from "./traffic.ts";
import { VirtualNetwork } from "../../testing/virtual_network.ts";

/** What a path is judged by is averaged: it takes a while until it is found, or forgotten. */
const AVERAGING_MS = 3000;
/** Both sides have every path up. */
const STARTED_MS = 500;

function isAvoided(peer: Peer, path: number): boolean {
  return !pathOf(peer, path).carriesFlows;
}

/** On which path the packets of each flow last came. */
function lastPaths(peer: Peer): Map<number, number> {
  return new Map(peer.received.map(({ flow, path }) => [flow, path]));
}

Deno.test("a far path is left alone by both sides from the start, for its round trip", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 100] });
  network.run(STARTED_MS);
  new Traffic(network);
  network.run(500);
  for (const peer of bothOf(network)) {
    deepEqual(pathsInUse(network, peer, 400), [0]);
    ok(isAvoided(peer, 1));
    equal(pathOf(peer, 1).eligibility.reason, "rtt");
    equal(pathOf(peer, 1).liveness.state, "up");
    equal(pathOf(peer, 0).eligibility.reason, null);
  }
  network.run(1100);
  for (const peer of bothOf(network)) deepEqual(pathsInUse(network, peer, 1000), [0]);
});

Deno.test("a path that is as far as reordering mends, or half as far again, is used", () => {
  for (const delaysMs of [[10, 34], [100, 149]]) {
    using network = new VirtualNetwork({ delaysMs });
    network.run(STARTED_MS);
    new Traffic(network);
    network.run(6000);
    for (const peer of bothOf(network)) deepEqual(pathsInUse(network, peer, 1000), [0, 1]);
  }
});

Deno.test("a path that becomes far under traffic is left, and no packet is lost to it", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 10] });
  network.run(STARTED_MS);
  const traffic = new Traffic(network, { flows: 4 });
  network.run(2000);
  for (const peer of bothOf(network)) deepEqual(pathsInUse(network, peer, 1000), [0, 1]);
  network.links[1]!.delayMs = 250;
  network.run(CONFIRM_MS + AVERAGING_MS);
  traffic.stop();
  network.run(1000);
  for (const peer of bothOf(network)) {
    equal(pathOf(peer, 1).eligibility.reason, "rtt");
    equal(peer.received.length, 4 * traffic.count);
  }
});

Deno.test("a link that jitters is left by both sides; when it is calm, flows come home", () => {
  using network = new VirtualNetwork({ delaysMs: [20, 20], seed: 7 });
  network.run(STARTED_MS);
  new Traffic(network, { flows: 12 });
  network.run(6000);
  const homes = bothOf(network).map(lastPaths);
  for (const home of homes) deepEqual(new Set(home.values()), new Set([0, 1]));

  network.links[1]!.jitterMs = 80;
  const both = bothOf(network);
  const leftAfter = timeUntil(network, 5000, () => both.every((peer) => isAvoided(peer, 1)));
  ok(leftAfter >= CONFIRM_MS && leftAfter <= CONFIRM_MS + AVERAGING_MS, `left after ${leftAfter}`);
  network.run(3000);
  for (const peer of both) {
    equal(pathOf(peer, 1).eligibility.reason, "jitter");
    deepEqual(pathsInUse(network, peer, 2000), [0]);
  }

  network.links[1]!.jitterMs = 0;
  const backAfter = timeUntil(network, 9000, () => both.every((peer) => !isAvoided(peer, 1)));
  ok(
    backAfter >= PROBATION_MS && backAfter <= PROBATION_MS + AVERAGING_MS,
    `back after ${backAfter}`,
  );
  network.run(1000);
  deepEqual(both.map(lastPaths), homes);
});

for (const way of ["up", "down"] as const) {
  Deno.test(`loss of 10 % on the way ${way} makes only its sender leave`, () => {
    using network = new VirtualNetwork({ delaysMs: [10, 10], seed: 5 });
    network.run(STARTED_MS);
    new Traffic(network);
    network.run(3000);
    network.links[1]!.tap = (_datagram, each) => each !== way || network.random() >= 0.1;
    const [sender, other] = way === "up" ? bothOf(network) : bothOf(network).reverse();
    const leftAfter = timeUntil(network, 5000, () => isAvoided(sender!, 1));
    ok(leftAfter <= CONFIRM_MS + 1500, `left after ${leftAfter} ms`);
    equal(pathOf(sender!, 1).eligibility.reason, "loss");
    for (let second = 0; second < 10; second++) {
      network.run(1000);
      ok(!isAvoided(other!, 1), "the other way is good");
    }
    deepEqual(pathsInUse(network, sender!, 1000), [0, 1]);
    deepEqual(pathsInUse(network, other!, 1000), [0]);
  });
}

Deno.test("a bad path stays left while it is bad, though little is sent on it", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 10], seed: 5 });
  new Traffic(network);
  network.run(3000);
  network.links[1]!.loss = 0.3;
  network.run(4000);
  for (const peer of bothOf(network)) ok(isAvoided(peer, 1));
  for (let second = 0; second < 20; second++) {
    network.run(1000);
    ok(bothOf(network).every((peer) => isAvoided(peer, 1)), `second ${second}`);
  }
});

Deno.test("when all are bad the nearest carries everything", () => {
  using network = new VirtualNetwork({ delaysMs: [60, 40, 50], seed: 2 });
  new Traffic(network);
  network.run(3000);
  for (const link of network.links) link.loss = 0.15;
  network.run(CONFIRM_MS + AVERAGING_MS);
  network.run(1000);
  for (const peer of bothOf(network)) {
    deepEqual([0, 1, 2].map((id) => pathOf(peer, id).eligibility.reason), ["loss", "loss", "loss"]);
    deepEqual(pathsInUse(network, peer, 1000), [1]);
  }
});

Deno.test("a near path that loses packets does not make a far one bad that is clean", () => {
  using network = new VirtualNetwork({ delaysMs: [5, 60], seed: 6 });
  new Traffic(network);
  network.run(3000);
  for (const peer of bothOf(network)) deepEqual(pathsInUse(network, peer, 1000), [0]);
  network.links[0]!.loss = 0.15;
  network.run(CONFIRM_MS + AVERAGING_MS + PROBATION_MS);
  for (let second = 0; second < 10; second++) {
    network.run(1000);
    for (const peer of bothOf(network)) deepEqual(pathsInUse(network, peer, 900), [1]);
  }
  network.links[0]!.loss = 0;
  const both = bothOf(network);
  const backAfter = timeUntil(network, 20_000, () => both.every((peer) => !isAvoided(peer, 0)));
  ok(backAfter >= PROBATION_MS, `back after ${backAfter}`);
  network.run(CONFIRM_MS + 1000);
  for (const peer of both) deepEqual(pathsInUse(network, peer, 900), [0]);
});

Deno.test("a near path that comes back is trusted no sooner because the other is far", () => {
  using network = new VirtualNetwork({ delaysMs: [5, 60] });
  new Traffic(network);
  network.run(3000);
  network.links[0]!.cut = new Set(["up", "down"]);
  network.run(PROBATION_MS + 3000);
  for (const peer of bothOf(network)) deepEqual(pathsInUse(network, peer, 900), [1]);
  network.links[0]!.cut.clear();
  timeUntil(network, 2000, () => pathOf(network.client, 0).liveness.state === "up");
  network.run(RETURN_MS - 200);
  for (const peer of bothOf(network)) deepEqual(pathsInUse(network, peer, 1000), [1]);
  network.run(CONFIRM_MS + 1000);
  for (const peer of bothOf(network)) deepEqual(pathsInUse(network, peer, 500), [0]);
});

Deno.test("a path that relapses is waited for twice as long each time", () => {
  using network = new VirtualNetwork({ delaysMs: [20, 20] });
  const { client } = network;
  new Traffic(network, { everyMs: 50, flows: 1 });
  network.run(3000);
  const waits: number[] = [];
  for (let relapse = 0; relapse < 3; relapse++) {
    network.links[1]!.loss = 0.2;
    ok(timeUntil(network, 9000, () => isAvoided(client, 1)) < 9000);
    network.run(1000);
    network.links[1]!.loss = 0;
    timeUntil(network, 9000, () => pathOf(client, 1).eligibility.reason === "recovering");
    waits.push(timeUntil(network, 20_000, () => !isAvoided(client, 1)));
  }
  for (const [index, wait] of waits.entries()) {
    ok(Math.abs(wait - PROBATION_MS * 2 ** index) <= 100, `waited ${waits}`);
  }
});

Deno.test("a path that is far now and then is waited for no longer for it", () => {
  using network = new VirtualNetwork({ delaysMs: [20, 20] });
  const { client } = network;
  new Traffic(network, { everyMs: 50, flows: 1 });
  network.run(3000);
  for (let time = 0; time < 3; time++) {
    network.links[1]!.delayMs = 200;
    ok(timeUntil(network, 9000, () => isAvoided(client, 1)) < 9000);
    network.links[1]!.delayMs = 20;
    timeUntil(network, 9000, () => pathOf(client, 1).eligibility.reason === "recovering");
    const wait = timeUntil(network, 20_000, () => !isAvoided(client, 1));
    ok(Math.abs(wait - PROBATION_MS) <= 100, `waited ${wait}`);
  }
});

Deno.test("both sides know round trip, jitter and loss of each path", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 40], seed: 4 });
  network.links[1]!.jitterMs = 9;
  network.links[0]!.loss = 0.01;
  new Traffic(network);
  network.run(8000);
  for (const peer of bothOf(network)) {
    const [near, far] = [0, 1].map((id) => pathOf(peer, id).quality);
    ok(Math.abs(near!.rtt.smoothedMs! - 20) <= 2, `${near!.rtt.smoothedMs}`);
    ok(Math.abs(far!.rtt.smoothedMs! - 89) <= 6, `${far!.rtt.smoothedMs}`);
    ok(near!.jitterMs! < 0.5, `${near!.jitterMs}`);
    ok(far!.jitterMs! > 1.5 && far!.jitterMs! < 5, `${far!.jitterMs}`);
    const loss = near!.loss(network.now)!;
    ok(loss > 0.002 && loss < 0.02, `${loss}`);
    equal(far!.loss(network.now), 0);
    ok(near!.score(network.now)! > far!.score(network.now)!);
  }
});

Deno.test("in quiet, too, both sides know the round trip", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 150] });
  network.run(5000);
  for (const peer of bothOf(network)) {
    equal(pathOf(peer, 0).quality.rtt.smoothedMs, 20);
    equal(pathOf(peer, 1).quality.rtt.smoothedMs, 300);
  }
});

Deno.test("towards a v1 peer only the client knows, from its heartbeats", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 40], seed: 7, x1: false });
  network.links[1]!.loss = 0.2;
  new Traffic(network);
  network.run(5000);
  const [near, far] = [0, 1].map((id) => pathOf(network.client, id).quality);
  // So much loss takes the path down at times, and what was lost is forgotten then.
  ok(timeUntil(network, 20_000, () => (far!.loss(network.now) ?? 0) > 0.15) < 20_000);
  equal(near!.rtt.smoothedMs, 20);
  equal(near!.jitterMs, 0);
  equal(near!.loss(network.now), 0);
  const loss = far!.loss(network.now)!;
  ok(loss > 0.15 && loss < 0.6, `both ways together ${loss}`);
  ok(isAvoided(network.client, 1));
  for (const { quality } of network.server.session.paths) {
    deepEqual([quality.rtt.smoothedMs, quality.jitterMs], [null, null]);
    equal(quality.loss(network.now), null);
  }
  deepEqual(packetsByPath(network, network.server, 1000)[1], 0);
});

for (const x1 of [true, false]) {
  Deno.test(`${x1 ? "x1" : "v1"}: what was lost while a path was down is not held against it`, () => {
    using network = new VirtualNetwork({ delaysMs: [10, 10], x1 });
    new Traffic(network, { flows: 2 });
    network.run(3000);
    network.links[1]!.cut = new Set(["up", "down"]);
    network.run(10_000);
    network.links[1]!.cut.clear();
    const { client } = network;
    timeUntil(network, 5000, () => pathOf(client, 1).liveness.state === "up");
    const trustedAfter = timeUntil(network, 20_000, () => !isAvoided(client, 1));
    ok(Math.abs(trustedAfter - RETURN_MS) <= 100, `trusted after ${trustedAfter} ms`);
  });
}

Deno.test("paths whose queues our own load fills are not left for that", () => {
  using network = new VirtualNetwork({ delaysMs: [15, 15] });
  Object.assign(network.links[0]!, { rate: 150_000, queueMs: 120 });
  Object.assign(network.links[1]!, { rate: 250_000, queueMs: 120 });
  network.run(STARTED_MS);
  // 550 kB/s each way, for 400 that the links carry.
  new Traffic(network, { everyMs: 15, flows: 8 });
  for (let second = 0; second < 15; second++) {
    network.run(1000);
    for (const peer of bothOf(network)) {
      ok(!isAvoided(peer, 0) && !isAvoided(peer, 1), `second ${second}`);
    }
  }
  for (const peer of bothOf(network)) {
    const qualities = [pathOf(peer, 0).quality, pathOf(peer, 1).quality];
    for (const { rtt } of qualities) {
      ok(rtt.smoothedMs! > 100, `the queue is full: ${rtt.smoothedMs} ms`);
    }
    ok(qualities.some((quality) => quality.loss(network.now)! > 0.1));
  }
});
