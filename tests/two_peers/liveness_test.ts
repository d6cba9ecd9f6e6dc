/** What the two sides notice of paths that work, fail and come back. */
import { PROBATION_MS, RETURN_MS } from "../../lib/protocol/path/eligibility.ts";
import { deepEqual, equal, ok } from "node:assert/strict";
import { DOWN_AFTER_SUSPECT_MS, SUSPECT_AFTER_MS } from "../../lib/protocol/path/liveness.ts";
import { HEARTBEAT_ACTIVE_MS, HEARTBEAT_IDLE_MS } from "../../lib/protocol/session/heartbeats.ts";
import { TYPE_CONTROL } from "../../lib/protocol/wire/header.ts";
import type { Peer } from "./peer.ts";
import { VirtualNetwork } from "../../testing/virtual_network.ts";

/** Both sides send a packet of each of `flows` flows every 10 ms. */
function exchangePackets(network: VirtualNetwork, flows = 8): () => void {
  let number = 0;
  return network.every(10, (now) => {
    for (let flow = 0; flow < flows; flow++) {
      network.client.sendPacket({ flow, number }, now);
      network.server.sendPacket({ flow, number }, now);
    }
    number++;
  });
}

function firstChange(peer: Peer, path: number, state: string, since: number): number {
  return peer.events.find((event) =>
    event.kind === "path changed" && event.path === path && event.state === state &&
    event.at >= since
  )?.at ?? Infinity;
}

/** The paths that packets of the last `ms` came on. */
function pathsInUse(network: VirtualNetwork, peer: Peer, ms: number): Set<number> {
  return new Set(
    peer.received.filter(({ at }) => at > network.now - ms).map(({ path }) => path),
  );
}

Deno.test("both sides have every path up after one round trip", () => {
  using network = new VirtualNetwork({ delaysMs: [5, 40, 150] });
  network.run(300);
  for (const peer of [network.client, network.server]) {
    for (const path of [0, 1, 2]) deepEqual(peer.statesOf(path), ["up"], `path ${path}`);
  }
  equal(network.client.session.paths.byId(2)!.quality.rtt.smoothedMs, 300);
  equal(network.server.session.paths.byId(1)!.peer.toString(), "203.0.113.2:4001");
});

for (const delayMs of [5, 40, 150]) {
  Deno.test(`a path of ${delayMs} ms cut under traffic is left by both sides in time`, () => {
    using network = new VirtualNetwork({ delaysMs: [delayMs, delayMs] });
    network.run(1000);
    exchangePackets(network);
    network.run(5000);
    for (const peer of [network.client, network.server]) {
      deepEqual(pathsInUse(network, peer, 1000), new Set([0, 1]));
    }

    const cutAt = network.now;
    network.links[1]!.cut = new Set(["up", "down"]);
    network.run(4000);

    const roundTrip = 2 * delayMs;
    // Echoes in flight are still heard for half a round trip.
    const patience = roundTrip / 2 + 3 * roundTrip + SUSPECT_AFTER_MS + HEARTBEAT_ACTIVE_MS + 2;
    const noticedAt = firstChange(network.client, 1, "suspect", cutAt);
    ok(noticedAt - cutAt <= patience, `client took ${noticedAt - cutAt} of ${patience} ms`);
    const lastOnCut = (peer: Peer) =>
      Math.max(...peer.received.filter(({ path }) => path === 1).map(({ at }) => at));
    ok(lastOnCut(network.server) <= cutAt + delayMs);
    // The server learns it from the client, one way over the other path later.
    const server = network.server.session;
    ok(!server.paths.byId(1)!.isUsable);
    const missing = new Set<number>();
    const got = new Set(network.client.received.map(({ flow, number }) => `${flow}:${number}`));
    for (let number = 0; number < 800; number++) {
      for (let flow = 0; flow < 8; flow++) if (!got.has(`${flow}:${number}`)) missing.add(number);
    }
    const lostFor = (Math.max(...missing) - Math.min(...missing) + 1) * 10;
    ok(lostFor <= patience + 2 * delayMs + 20, `server lost packets for ${lostFor} ms`);
    deepEqual(pathsInUse(network, network.client, 1000), new Set([0]));
    deepEqual(pathsInUse(network, network.server, 1000), new Set([0]));
  });
}

Deno.test("flows move to the path that is left, and new ones use the other when it is back", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 10] });
  network.run(1000);
  const stop = exchangePackets(network, 16);
  network.run(3000);
  network.links[0]!.cut = new Set(["up", "down"]);
  network.run(3000);
  ok(network.client.statesOf(0).includes("down"));
  deepEqual(pathsInUse(network, network.server, 1000), new Set([1]));
  network.links[0]!.cut.clear();
  network.run(3000);
  equal(network.client.statesOf(0).at(-1), "up");
  stop();
  network.run(PROBATION_MS);
  network.every(10, (now) => {
    network.client.sendPacket({ flow: 1000 + now, number: 0 }, now);
    network.server.sendPacket({ flow: 1000 + now, number: 0 }, now);
  });
  network.run(1000);
  for (const peer of [network.client, network.server]) {
    const counts = [0, 1].map((path) =>
      peer.received.filter((packet) => packet.path === path && packet.flow >= 1000).length
    );
    ok(Math.min(...counts) >= 40, `flows per path: ${counts}`);
  }
});

Deno.test("heartbeats come every 2 s in quiet and every 200 ms under traffic", () => {
  using network = new VirtualNetwork({ delaysMs: [10] });
  network.run(1000);
  const gaps = (since: number) => {
    const times = network.client.heartbeats.map(({ at }) => at).filter((at) => at >= since);
    return times.slice(1).map((at, index) => at - times[index]!);
  };
  const quietFrom = network.now;
  network.run(20_000);
  ok(gaps(quietFrom).length >= 8);
  for (const gap of gaps(quietFrom)) ok(Math.abs(gap - HEARTBEAT_IDLE_MS) <= 2, `gap ${gap}`);
  const stop = exchangePackets(network, 1);
  const busyFrom = network.now + HEARTBEAT_ACTIVE_MS;
  network.run(5000);
  ok(gaps(busyFrom).length >= 20);
  for (const gap of gaps(busyFrom)) ok(Math.abs(gap - HEARTBEAT_ACTIVE_MS) <= 2, `gap ${gap}`);
  stop();
  network.run(4000);
  const calmFrom = network.now;
  network.run(10_000);
  for (const gap of gaps(calmFrom)) ok(Math.abs(gap - HEARTBEAT_IDLE_MS) <= 2, `gap ${gap}`);
  deepEqual(network.client.statesOf(0), ["up"]);
});

Deno.test("one lost heartbeat of a quiet path never takes it down", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 10] });
  network.run(7000);
  let lost = 0;
  network.links[1]!.tap = (_datagram, way) => way === "down" || lost++ > 0;
  const lostFrom = network.now;
  network.run(10_000);
  ok(lost > 1);
  ok(!network.client.statesOf(1).includes("down"), `${network.client.statesOf(1)}`);
  const suspectAt = firstChange(network.client, 1, "suspect", lostFrom);
  const upAt = firstChange(network.client, 1, "up", suspectAt);
  ok(upAt - suspectAt <= 30, `in doubt for ${upAt - suspectAt} ms`);
});

Deno.test("a path that is silent goes suspect, then down, and is asked every 200 ms, later every 500", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 10] });
  network.run(1000);
  network.links[1]!.cut = new Set(["up", "down"]);
  network.run(20_000);
  const { client } = network;
  deepEqual(client.statesOf(1), ["up", "suspect", "down"]);
  const suspectAt = firstChange(client, 1, "suspect", 0);
  const downAt = firstChange(client, 1, "down", 0);
  ok(Math.abs(downAt - suspectAt - DOWN_AFTER_SUSPECT_MS) <= 2);
  const asked = client.heartbeats.filter(({ path, at }) => path === 1 && at > downAt).length;
  ok(asked >= 38 && asked <= 50, `asked ${asked} times`);
});

Deno.test("the server leaves a path that only its own packets cannot pass", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 10] });
  network.run(1000);
  exchangePackets(network);
  network.run(3000);
  network.links[1]!.cut = new Set<"down">(["down"]);
  network.run(3000);
  ok(!network.server.session.paths.byId(1)!.isUsable);
});

Deno.test("the server learns which paths work even when it was told in lost messages", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 10] });
  network.run(1000);
  exchangePackets(network);
  network.run(3000);
  network.links[1]!.cut = new Set<"down">(["down"]);
  const until = network.now + 3000;
  network.links[0]!.tap = (datagram, _way, now) => datagram[1] !== TYPE_CONTROL || now > until;
  network.run(5000);
  ok(!network.server.session.paths.byId(1)!.isUsable);
});

Deno.test("what the client said of its paths is not undone by an older message", () => {
  using network = new VirtualNetwork({ delaysMs: [60, 40] });
  let isSaid = false;
  network.run(1000);
  exchangePackets(network);
  network.links[0]!.tap = (datagram) => {
    isSaid ||= datagram[1] === TYPE_CONTROL;
    return true;
  };
  while (!isSaid) network.run(1);
  network.run(5);
  // On the near path this overtakes what was said just before on the far one.
  const { session } = network.client;
  session.linkFailed(session.paths.byId(0)!, network.now);
  network.links[0]!.cut = new Set(["down"]);
  network.client.flush(network.now);
  network.run(41);
  ok(!network.server.session.paths.byId(0)!.isUsable);
  network.run(30);
  ok(!network.server.session.paths.byId(0)!.isUsable);
});

Deno.test("a path the client removes is not used by the server any more", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 10] });
  network.run(1000);
  exchangePackets(network);
  network.run(3000);
  network.client.removePath(1, network.now);
  network.run(50);
  ok(!network.server.session.paths.byId(1)!.isUsable);
  const received = network.client.received.length;
  network.run(1000);
  equal(network.client.received.length - received, 800);
});

Deno.test("what waited to be sent on a removed path is not sent", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 10] });
  network.run(1000);
  const { session } = network.client;
  session.linkFailed(session.paths.byId(0)!, network.now);
  session.removePath(1, network.now);
  for (let next = session.pollTransmit(); next !== null; next = session.pollTransmit()) {
    ok(session.paths.byId(next.path.id) === next.path);
  }
});

Deno.test("bye reaches the server on every path that works", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 10] });
  network.run(1000);
  network.client.session.sayBye();
  network.client.flush(network.now);
  network.run(100);
  equal(network.server.events.filter(({ kind }) => kind === "bye").length, 2);
});

Deno.test("a server asks its client to leave, and the session goes on; a client cannot ask", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 10] });
  network.run(1000);
  const { client, server } = network;
  server.driver.askToLeave(server.session.id, network.now);
  server.driver.askToLeave(999, network.now);
  server.flush(network.now);
  network.run(100);
  client.driver.askToLeave(client.session.id, network.now);
  client.flush(network.now);
  network.run(100);
  const asked = ({ events }: Peer) => events.filter(({ kind }) => kind === "asked to leave").length;
  equal(asked(client), 2, "on each path");
  equal(asked(server), 0);
  equal(client.session.paths.byId(0)!.liveness.state, "up");
});

Deno.test("a path that is removed is told to be down", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 10] });
  network.run(1000);
  network.client.removePath(1, network.now);
  network.client.flush(network.now);
  network.run(100);
  equal(network.client.statesOf(1).at(-1), "down");
  network.client.removePath(1, network.now);
  network.run(100);
  equal(network.client.statesOf(1).filter((state) => state === "down").length, 1);
});

Deno.test("a link the kernel calls gone is left at once, and used again when it works", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 10] });
  network.run(1000);
  exchangePackets(network);
  network.run(1000);
  const { session } = network.client;
  const path = session.paths.byId(1)!;
  session.linkFailed(path, network.now);
  network.client.flush(network.now);
  equal(network.client.statesOf(1).at(-1), "down");
  network.run(15);
  ok(!network.server.session.paths.byId(1)!.isUsable);
  network.run(500);
  equal(network.client.statesOf(1).at(-1), "down", "what still arrives does not bring it up");
  session.linkWorks(path, network.now);
  network.run(100);
  equal(network.client.statesOf(1).at(-1), "up");
  ok(network.server.session.paths.byId(1)!.isUsable);
});

Deno.test("a link that was gone is on probation before flows come home to it", () => {
  using network = new VirtualNetwork({ delaysMs: [10, 10] });
  network.run(1000);
  exchangePackets(network);
  network.run(1000);
  const { session } = network.client;
  const path = session.paths.byId(1)!;
  session.linkFailed(path, network.now);
  network.run(500);
  session.linkWorks(path, network.now);
  network.run(RETURN_MS - 50);
  equal(path.liveness.state, "up");
  deepEqual(pathsInUse(network, network.server, 1000), new Set([0]));
  network.run(1000);
  deepEqual(pathsInUse(network, network.server, 500), new Set([0, 1]));
});

Deno.test("a client that is told to asks on every path at once, and the server never", () => {
  using network = new VirtualNetwork({ delaysMs: [5, 5] });
  network.run(5000);
  const { session } = network.client;
  const counters = () => [...session.paths].map(({ counters }) => ({ ...counters }));
  // In the middle between two heartbeats of a rest.
  const due = Math.min(...[...session.paths].map(({ heartbeatAt }) => heartbeatAt));
  network.run(due - network.now + 500);
  const before = counters();
  network.client.driver.probePaths(session.id, network.now);
  network.server.driver.probePaths(session.id, network.now);
  network.run(400);
  for (const [index, { heartbeatsSent, heartbeatsAnswered }] of counters().entries()) {
    equal(heartbeatsSent, before[index]!.heartbeatsSent + 1);
    equal(heartbeatsAnswered, before[index]!.heartbeatsAnswered + 1);
  }
  for (const path of network.server.session.paths) equal(path.counters.heartbeatsSent, 0);
});
