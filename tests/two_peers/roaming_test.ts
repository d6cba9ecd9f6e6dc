/** The server follows a path to a new address, but only for what is new. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { bothOf, pathOf, pathsInUse, Traffic } from "./traffic.ts";
import { clientAddress, VirtualNetwork } from "../../testing/virtual_network.ts";

function peerOf(network: VirtualNetwork, path: number): string {
  return network.server.session.paths.byId(path)!.peer.toString();
}

/** Sends a packet of the client and hands back the datagram, which does not arrive. */
function holdBack(network: VirtualNetwork, number: number): Uint8Array {
  let held = new Uint8Array();
  network.links[0]!.tap = (datagram) => {
    held = datagram.slice();
    return false;
  };
  const path = network.client.session.paths.byId(0)!;
  network.client.sendPacketOn(path, { flow: 1, number }, network.now);
  network.links[0]!.tap = null;
  return held;
}

Deno.test("x1: a client behind a new address keeps its path, both ways", () => {
  using network = new VirtualNetwork({ delaysMs: [5, 30] });
  network.run(1000);
  let number = 0;
  network.every(10, (now) => {
    network.client.sendPacket({ flow: 1, number }, now);
    network.server.sendPacket({ flow: 1, number: number++ }, now);
  });
  network.run(500);
  network.links[0]!.address = clientAddress(99, 999);
  network.links[1]!.address = clientAddress(98, 998);
  network.run(1000);
  equal(peerOf(network, 0), "203.0.113.99:999");
  equal(peerOf(network, 1), "203.0.113.98:998");
  equal(network.server.session.paths.count, 2);
  const lost = number - network.client.received.length;
  ok(lost <= 10, `${lost} packets to the old address lost`);
});

Deno.test("x1: an older packet from elsewhere moves no path, but is taken", () => {
  using network = new VirtualNetwork({ delaysMs: [5] });
  network.run(1000);
  const older = holdBack(network, 1);
  const newer = holdBack(network, 2);
  equal(network.inject(newer, network.links[0]!.address), null);
  equal(network.inject(older, clientAddress(66, 666)), null);
  equal(network.server.received.length, 2);
  equal(peerOf(network, 0), "203.0.113.1:4000");
});

Deno.test("x1: a record held back until its epoch has ended moves no path", () => {
  using network = new VirtualNetwork({ delaysMs: [5], epochLimits: { packets: 1e9, ms: 10_000 } });
  network.run(9990);
  const held = holdBack(network, 1);
  // The first thing the server hears under the next key.
  network.run(20);
  network.client.sendPacket({ flow: 1, number: 2 }, network.now);
  network.run(20);
  equal(network.server.received.length, 1);
  equal(network.inject(held, clientAddress(66, 666)), null);
  equal(network.server.received.length, 2);
  equal(peerOf(network, 0), "203.0.113.1:4000");
});

Deno.test("x1: links that come and go for days find room on the server", () => {
  using network = new VirtualNetwork({ delaysMs: [5, 5] });
  for (let id = 2; id < 60; id++) {
    network.run(20_000);
    network.client.removePath(id === 2 ? 1 : id - 1, network.now);
    network.addPath(id, 1);
    network.run(200);
    equal(network.server.session.paths.byId(id)?.liveness.state, "up", `path ${id}`);
    ok(network.server.session.paths.byId(0) !== null);
  }
});

Deno.test("x1: a flood of new paths does not push out those in use", () => {
  using network = new VirtualNetwork({ delaysMs: Array(16).fill(5) });
  network.run(60_000);
  network.client.removePath(15, network.now);
  network.addPath(200, 15);
  network.run(1000);
  equal(network.server.session.paths.byId(200), null);
  ok(network.server.drops.get("no room for path") > 0);
  network.run(40_000);
  equal(network.server.session.paths.byId(200)?.liveness.state, "up");
  equal(network.server.session.paths.byId(15), null);
});

Deno.test("v1: a client whose address changes often is heard each time", () => {
  using network = new VirtualNetwork({ delaysMs: [5], x1: false });
  network.run(1000);
  for (let port = 5000; port < 5040; port++) {
    network.links[0]!.address = clientAddress(1, port);
    network.run(10_000);
    network.client.sendPacket({ flow: 1, number: port }, network.now);
    network.run(100);
    equal(network.server.received.at(-1)?.number, port);
  }
});

Deno.test("x1: what was lost to the address before is not held against the path", () => {
  for (const port of [4000, 999]) {
    using network = new VirtualNetwork({ delaysMs: [60, 60] });
    network.run(500);
    new Traffic(network, { everyMs: 5, flows: 20, from: [network.server] });
    network.run(1000);
    network.links[0]!.address = clientAddress(port === 4000 ? 99 : 1, port);
    for (let tenth = 0; tenth < 50; tenth++) {
      network.run(100);
      equal(pathOf(network.server, 0).eligibility.reason, null, `port ${port}, ${tenth}`);
    }
  }
});

Deno.test("x1: what was measured of a path is forgotten when it leads to another host", () => {
  using network = new VirtualNetwork({ delaysMs: [20, 40] });
  const { client, server } = network;
  network.run(500);
  new Traffic(network, { everyMs: 5, flows: 6 });
  network.run(5000);
  client.removePath(0, network.now);
  network.run(300);
  Object.assign(network.links[0]!, { address: clientAddress(99, 999), delayMs: 50 });
  network.addPath(0);
  network.run(5000);
  deepEqual(pathsInUse(network, server, 1000), [0, 1]);
  for (const peer of bothOf(network)) {
    const { quality } = pathOf(peer, 0);
    equal(quality.deliveryRate, null, "no queue was ever filled");
    ok(Math.abs(quality.judgedRttMs(network.now)! - 100) < 2);
  }
});
