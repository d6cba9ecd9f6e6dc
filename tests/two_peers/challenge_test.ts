/** An address the client moved to gets little before it has answered the server's challenge. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { TYPE_CONTROL, TYPE_HEARTBEAT, TYPE_PACKET } from "../../lib/protocol/wire/header.ts";
import {
  decodeTunnelMessage,
  encodeTunnelMessage,
} from "../../lib/protocol/wire/tunnel_message.ts";
import { pathOf, Traffic } from "./traffic.ts";
import { clientAddress, VirtualNetwork } from "../../testing/virtual_network.ts";

function peerOf(network: VirtualNetwork, path: number): string {
  return pathOf(network.server, path).peer.toString();
}

/** Where path 0 leads before the client moves. */
const FIRST_ADDRESS = "203.0.113.1:4000";

/** Watches a link from a move of the client on: how many bytes pass it each way. */
function countBytes(network: VirtualNetwork, link = 0) {
  const bytes = { up: 0, down: 0 };
  let ratioMax = 0;
  let passesUp: (type: number) => boolean = () => true;
  network.links[link]!.tap = (datagram, way) => {
    if (way === "up" && !passesUp(datagram[1]!)) return false;
    bytes[way] += datagram.length;
    ratioMax = Math.max(ratioMax, bytes.down / bytes.up);
    return true;
  };
  return {
    bytes,
    ratio: () => ratioMax,
    letUp: (passes: (type: number) => boolean) => passesUp = passes,
  };
}

Deno.test("x1: an address that answers no challenge gets three times what came from it", () => {
  for (const delaysMs of [[10], [10, 10]]) {
    using network = new VirtualNetwork({ delaysMs });
    network.run(1000);
    new Traffic(network, { everyMs: 5, flows: 6 });
    network.run(500);
    const { bytes, ratio, letUp } = countBytes(network);
    // Heartbeats and a few packets: enough that the server is not silent, too little for its flood.
    let packets = 0;
    letUp((type) => type !== TYPE_CONTROL && (type !== TYPE_PACKET || packets++ % 20 === 0));
    network.links[0]!.address = clientAddress(99, 999);
    network.run(3000);
    equal(peerOf(network, 0), FIRST_ADDRESS);
    ok(bytes.up > 10_000 && bytes.down > 0, `${bytes.up} up, ${bytes.down} down`);
    ok(ratio() <= 3, `${delaysMs.length} paths: ${ratio()} times`);
    letUp(() => true);
    // What was withheld counts as loss for a while.
    network.run(10_000);
    ok(bytes.down > 3 * bytes.up / 4, "once it has answered, everything flows again");
    equal(peerOf(network, 0), "203.0.113.99:999");
  }
});

Deno.test("x1: an address from which heartbeats alone come gets three times as much at most", () => {
  using network = new VirtualNetwork({ delaysMs: [10] });
  network.run(1000);
  const traffic = new Traffic(network, { flows: 1 });
  network.run(500);
  const { bytes, ratio, letUp } = countBytes(network);
  letUp((type) => type === TYPE_HEARTBEAT);
  network.links[0]!.address = clientAddress(99, 999);
  network.run(3000);
  ok(bytes.up > 0 && bytes.down > 0);
  ok(ratio() <= 3, `${ratio()} times`);
  traffic.stop();
});

Deno.test("x1: copies, too, wait until an address has proved itself, also of a path that is bad", () => {
  using network = new VirtualNetwork({ delaysMs: [5, 100], scheduler: "redundant" });
  network.run(1000);
  new Traffic(network, { everyMs: 2, flows: 4, from: [network.server] });
  new Traffic(network, { everyMs: 50, flows: 1, from: [network.client] });
  network.run(1000);
  const path = pathOf(network.server, 1);
  ok(!path.carriesFlows && network.server.session.scheduling.live.includes(path));
  const { bytes, ratio, letUp } = countBytes(network, 1);
  letUp((type) => type === TYPE_PACKET);
  network.links[1]!.address = clientAddress(99, 999);
  network.run(2000);
  equal(peerOf(network, 1), "203.0.113.2:4001");
  ok(bytes.up > 0 && ratio() <= 3, `${ratio()} times`);
});

for (const delayMs of [5, 80]) {
  Deno.test(`x1: packets flow again within two round trips of a move, ${delayMs} ms away`, () => {
    using network = new VirtualNetwork({ delaysMs: [delayMs] });
    network.run(2000);
    new Traffic(network, { flows: 1 });
    network.run(1000);
    network.links[0]!.address = clientAddress(99, 999);
    const movedAt = network.now;
    network.run(1000);
    const first = network.client.received.find(({ at }) => at > movedAt + delayMs + 1)!;
    ok(first.at - movedAt <= 4 * delayMs + 20, `after ${first.at - movedAt} ms`);
    const after = network.client.received.filter(({ at }) => at > movedAt + 4 * delayMs + 20);
    const expected = (network.now - movedAt - 4 * delayMs - 20) / 10;
    ok(after.length >= expected - 1, `${after.length} of ${expected}`);
  });
}

Deno.test("x1: a challenge that is lost is repeated every 200 ms", () => {
  using network = new VirtualNetwork({ delaysMs: [10] });
  network.run(1000);
  new Traffic(network, { flows: 1, everyMs: 20 });
  network.run(500);
  const challengedAt: number[] = [];
  network.links[0]!.tap = (datagram, way, now) => {
    if (way === "up" || datagram[1] !== TYPE_CONTROL) return true;
    challengedAt.push(now);
    return challengedAt.length > 3;
  };
  network.links[0]!.address = clientAddress(99, 999);
  network.run(2000);
  equal(challengedAt.length, 4);
  for (let nth = 1; nth < 4; nth++) {
    const gap = challengedAt[nth]! - challengedAt[nth - 1]!;
    ok(gap >= 200 && gap <= 202, `${gap}`);
  }
  equal(network.server.session.paths.byId(0)!.amplificationCredit, Infinity);
});

/** Moves the client, and keeps its answer to the challenge from the server. */
function moveUnproven(network: VirtualNetwork) {
  network.run(1000);
  new Traffic(network, { flows: 1 });
  network.run(200);
  const answers: Uint8Array[] = [];
  network.links[0]!.tap = (datagram, way) => {
    if (way === "down" || datagram[1] !== TYPE_CONTROL) return true;
    answers.push(datagram.slice());
    return false;
  };
  network.links[0]!.address = clientAddress(99, 999);
  network.run(100);
  ok(answers.length > 0);
  equal(peerOf(network, 0), FIRST_ADDRESS);
  return { answers, path: network.server.session.paths.byId(0)! };
}

Deno.test("x1: the right token from another address proves nothing, from its own it does", () => {
  using network = new VirtualNetwork({ delaysMs: [5] });
  const { answers } = moveUnproven(network);
  equal(network.inject(answers[0]!, clientAddress(66, 666)), "bad message");
  equal(peerOf(network, 0), FIRST_ADDRESS);
  network.run(200);
  equal(network.inject(answers.at(-1)!, clientAddress(99, 999)), null);
  equal(peerOf(network, 0), "203.0.113.99:999");
});

Deno.test("x1: a wrong token proves nothing", () => {
  using network = new VirtualNetwork({ delaysMs: [5] });
  const { path } = moveUnproven(network);
  for (const token of ["00".repeat(16), "ff".repeat(16)]) {
    const payload = encodeTunnelMessage({ type: "response", token });
    equal(
      network.server.session.receiveControl(TYPE_CONTROL, payload, path, network.now),
      "bad message",
    );
  }
  equal(peerOf(network, 0), FIRST_ADDRESS);
});

Deno.test("x1: a token that answered for one address does not for the next", () => {
  using network = new VirtualNetwork({ delaysMs: [5] });
  const { answers } = moveUnproven(network);
  network.links[0]!.address = clientAddress(98, 998);
  network.run(100);
  equal(network.inject(answers[0]!, clientAddress(98, 998)), "bad message");
  equal(peerOf(network, 0), FIRST_ADDRESS);
});

Deno.test("x1: the client answers no challenge that is not its server's, the server none at all", () => {
  using network = new VirtualNetwork({ delaysMs: [5] });
  network.run(1000);
  const challenge = encodeTunnelMessage({ type: "challenge", token: "ab".repeat(16) });
  const { client, server } = network;
  const clientPath = client.session.paths.byId(0)!;
  equal(client.session.receiveControl(TYPE_CONTROL, challenge, clientPath, network.now), null);
  deepEqual(decodeTunnelMessage(client.session.pollTransmit()!.payload), {
    ...{ type: "response", token: "ab".repeat(16) },
  });
  const serverPath = server.session.paths.byId(0)!;
  equal(
    server.session.receiveControl(TYPE_CONTROL, challenge, serverPath, network.now),
    "bad message",
  );
  equal(server.session.pollTransmit(), null);
});

Deno.test("x1: a record that is sent on from elsewhere keeps no packet from the client", () => {
  for (const isSilentAfter of [false, true]) {
    using network = new VirtualNetwork({ delaysMs: [5] });
    network.run(1000);
    const copied: Uint8Array[] = [];
    network.links[0]!.tap = (datagram, way) => {
      if (way === "up") copied.push(datagram.slice());
      // The copy arrives first, and perhaps alone.
      return way === "down" || !isSilentAfter;
    };
    const traffic = new Traffic(network, { flows: 1, everyMs: 10 });
    for (let copy = 0; copy < 50; copy++) {
      network.run(10);
      const datagram = copied.pop();
      if (datagram !== undefined) network.inject(datagram, clientAddress(66, 666));
    }
    traffic.stop();
    network.run(100);
    equal(peerOf(network, 0), FIRST_ADDRESS);
    equal(network.client.received.length, traffic.count, "all of the server's packets");
  }
});

Deno.test("x1: an address that has not answered within 3 s is asked no more", () => {
  using network = new VirtualNetwork({ delaysMs: [5] });
  moveUnproven(network);
  const sent: number[] = [];
  network.links[0]!.tap = (_datagram, way, now) => {
    if (way === "down") sent.push(now);
    return false;
  };
  const silentFrom = network.now;
  network.run(20_000);
  ok(sent.every((at) => at < silentFrom + 3000));
});

Deno.test("x1: a record sent again from elsewhere triggers nothing", () => {
  using network = new VirtualNetwork({ delaysMs: [5] });
  network.run(1000);
  const seen: Uint8Array[] = [];
  const sent: number[] = [];
  network.links[0]!.tap = (datagram, way) => {
    if (way === "up") seen.push(datagram.slice());
    else sent.push(datagram[1]!);
    return true;
  };
  const traffic = new Traffic(network, { flows: 1, from: [network.client] });
  network.run(1000);
  traffic.stop();
  network.run(100);
  const { session } = network.server;
  const path = session.paths.byId(0)!;
  const before = [network.server.received.length, path.counters.receivedPackets, sent.length];
  for (const datagram of seen) equal(network.inject(datagram, clientAddress(66, 666)), "replayed");
  deepEqual(
    [network.server.received.length, path.counters.receivedPackets, sent.length],
    before,
  );
  equal(peerOf(network, 0), "203.0.113.1:4000");
  equal(path.amplificationCredit, Infinity);
  equal(session.pollTransmit(), null);
});

Deno.test("x1: a path the client opens elsewhere is not used before it has answered", () => {
  using network = new VirtualNetwork({ delaysMs: [5, 5] });
  network.links[1]!.tap = (datagram, way) => way === "down" || datagram[1] !== TYPE_CONTROL;
  network.run(1000);
  new Traffic(network);
  network.run(1000);
  const path = network.server.session.paths.byId(1)!;
  ok(path.amplificationCredit < Infinity);
  equal(path.liveness.state, "up");
  ok(network.client.received.every((packet) => packet.path === 0));
});
