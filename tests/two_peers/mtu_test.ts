/** The client finds out what size of packets its paths carry, and the server is told. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { tunnelOverheadBytes } from "../../lib/protocol/packet/tunnel_overhead.ts";
import { MTU_STEP_BYTES } from "../../lib/protocol/path/mtu_search.ts";
import { ORDER_EXTENSION_LENGTH } from "../../lib/protocol/wire/order_extension.ts";
import { START_BYTES } from "../../lib/protocol/session/mtu_probes.ts";
import { TYPE_CONTROL } from "../../lib/protocol/wire/header.ts";
import type { Peer } from "./peer.ts";
import { bothOf, pathOf, timeUntil, Traffic } from "./traffic.ts";
import { VirtualNetwork } from "../../testing/virtual_network.ts";

const TUNNEL_MTU = 1392;
/** What is probed for: packets of the tunnel's MTU, with their place in the order behind them. */
const CEILING = TUNNEL_MTU + ORDER_EXTENSION_LENGTH;
const LIMIT_MS = 3000;
/** The client tells what it found at once; it has to get there. */
const TOLD_MS = 100;

function findings(network: VirtualNetwork) {
  return network.client.events.flatMap((event) =>
    event.kind === "path MTU"
      ? [{ path: event.path, mtu: event.mtu, wasBlackhole: event.wasBlackhole }]
      : []
  );
}

/** What a link carries of the packets in the tunnel. */
function carried(network: VirtualNetwork, link: number): number {
  return Math.min(CEILING, network.links[link]!.mtu - tunnelOverheadBytes(4));
}

function assertFound(network: VirtualNetwork, path: number): void {
  const { mtu } = pathOf(network.client, path);
  const largest = carried(network, path);
  ok(
    mtu !== null && mtu <= largest && mtu > largest - MTU_STEP_BYTES,
    `found ${mtu} of ${largest}`,
  );
}

/** Packets as large as a peer believes its paths carry. */
function sendAsLargeAsFits(network: VirtualNetwork, peers: readonly Peer[], largest: number): void {
  const fit = () => {
    const mtus = [...network.client.session.paths].map(({ mtu }) => mtu ?? Infinity);
    network.client.packetBytes = Math.min(largest, ...mtus);
    network.server.packetBytes = Math.min(largest, network.server.session.packetBytesMax);
  };
  network.every(10, fit);
  new Traffic(network, { flows: 8, from: peers });
}

for (const mtu of [1500, 1492, 1420, 1337, 1280, 1100, 700]) {
  Deno.test(`a link of ${mtu} bytes is known within 3 s of the start`, () => {
    using network = new VirtualNetwork({ delaysMs: [20], mtuCeiling: TUNNEL_MTU });
    network.links[0]!.mtu = mtu;
    network.run(LIMIT_MS);
    assertFound(network, 0);
    const found = pathOf(network.client, 0).mtu!;
    deepEqual(findings(network), [{ path: 0, mtu: found, wasBlackhole: found < CEILING }]);
    network.run(TOLD_MS);
    equal(network.server.session.packetBytesMax, found);
    network.run(60_000);
    equal(findings(network).length, 1, "said once");
  });
}

Deno.test("what is told of a path's size leaves room for the order of flows over several paths", () => {
  const mtuCeiling = TUNNEL_MTU;
  using network = new VirtualNetwork({ delaysMs: [20], mtuCeiling, scheduler: "aggregate" });
  network.links[0]!.mtu = 1400;
  network.run(LIMIT_MS + TOLD_MS);
  const largest = pathOf(network.client, 0).mtu! - ORDER_EXTENSION_LENGTH;
  deepEqual(findings(network), [{ path: 0, mtu: largest, wasBlackhole: true }]);
  for (const { session } of [network.client, network.server]) {
    equal(session.packetBytesMax, largest);
  }
});

Deno.test("the server is told of the smallest of the paths that work", () => {
  using network = new VirtualNetwork({ delaysMs: [20, 30], mtuCeiling: TUNNEL_MTU });
  network.links[1]!.mtu = 1380;
  network.run(LIMIT_MS + TOLD_MS);
  for (const path of [0, 1]) assertFound(network, path);
  equal(network.server.session.packetBytesMax, pathOf(network.client, 1).mtu);
  deepEqual(findings(network).map(({ path }) => path).toSorted(), [0, 1]);
  network.client.linkFailed(pathOf(network.client, 1), network.now);
  network.run(TOLD_MS);
  equal(network.server.session.packetBytesMax, CEILING);
});

Deno.test("a narrow path that is avoided for its quality still counts", () => {
  using network = new VirtualNetwork({ delaysMs: [20, 30], mtuCeiling: TUNNEL_MTU });
  network.links[1]!.mtu = 1380;
  network.run(LIMIT_MS + TOLD_MS);
  const { client, server } = network;
  const narrow = pathOf(client, 1);
  const { mtu } = narrow;
  network.links[1]!.loss = 0.3;
  sendAsLargeAsFits(network, bothOf(network), CEILING);
  let avoidedMs = 0;
  for (let ms = 0; ms < 5000; ms += 10) {
    network.run(10);
    if (narrow.eligibility.reason === null || narrow.liveness.state === "down") continue;
    avoidedMs += 10;
    equal(client.session.packetBytesMax, mtu);
    equal(server.session.packetBytesMax, mtu);
  }
  ok(avoidedMs > 1000, `avoided for ${avoidedMs} ms`);
});

Deno.test("packets are small until a size is proved, so that they arrive from the start", () => {
  for (const index of [0, 1]) {
    using network = new VirtualNetwork({ delaysMs: [20], mtuCeiling: TUNNEL_MTU });
    const peer = bothOf(network)[index]!;
    network.links[0]!.mtu = 1380;
    // Nothing is answered that is as large as a probe.
    network.links[0]!.tap = (datagram, way) => way === "up" || datagram.length < 1100;
    network.run(200);
    equal(peer.session.packetBytesMax, START_BYTES);
    network.links[0]!.tap = null;
    network.run(LIMIT_MS);
    ok(peer.session.packetBytesMax > START_BYTES, "it grows when there is proof");
  }
});

Deno.test("a path that joins makes packets small until its size is proved", () => {
  using network = new VirtualNetwork({ delaysMs: [20, 20], mtuCeiling: TUNNEL_MTU });
  network.links[1]!.cut = new Set(["up", "down"]);
  network.run(LIMIT_MS);
  equal(network.client.session.packetBytesMax, CEILING);
  network.links[1]!.cut.clear();
  network.links[1]!.tap = (datagram, way) => way === "up" || datagram.length < 1100;
  timeUntil(network, LIMIT_MS, () => pathOf(network.client, 1).liveness.state === "up");
  network.run(100);
  for (const { session } of bothOf(network)) equal(session.packetBytesMax, START_BYTES);
  network.links[1]!.tap = null;
  network.run(LIMIT_MS);
  for (const { session } of bothOf(network)) equal(session.packetBytesMax, CEILING);
});

Deno.test("a path whose probes never arrive holds packets small", () => {
  using network = new VirtualNetwork({ delaysMs: [20, 20], mtuCeiling: TUNNEL_MTU });
  network.links[0]!.mtu = 1380;
  // Its small packets arrive, its probes never do.
  network.links[1]!.tap = (datagram) => datagram.length < 576;
  network.run(LIMIT_MS + TOLD_MS);
  assertFound(network, 0);
  equal(pathOf(network.client, 1).mtu, null);
  for (const { session } of bothOf(network)) equal(session.packetBytesMax, START_BYTES);
});

Deno.test("a path too narrow for IPv6 is left alone while there is another", () => {
  using network = new VirtualNetwork({ delaysMs: [20, 20], mtuCeiling: TUNNEL_MTU });
  network.links[1]!.mtu = 1300;
  network.run(LIMIT_MS + TOLD_MS);
  assertFound(network, 1);
  const { client, server } = network;
  network.run(2000);
  equal(pathOf(client, 1).eligibility.reason, "mtu");
  equal(client.session.packetBytesMax, CEILING);
  equal(server.session.packetBytesMax, CEILING);
  client.linkFailed(pathOf(client, 0), network.now);
  client.flush(network.now);
  network.run(TOLD_MS);
  equal(client.session.packetBytesMax, pathOf(client, 1).mtu, "better than nothing");
  equal(server.session.packetBytesMax, pathOf(client, 1).mtu);
});

Deno.test("the server is told with the answer that settles it", () => {
  using network = new VirtualNetwork({ delaysMs: [20], mtuCeiling: TUNNEL_MTU });
  const answers: Uint8Array[] = [];
  network.links[0]!.tap = (datagram, way) => {
    if (way === "up" || datagram.length < CEILING) return true;
    answers.push(datagram.slice());
    return false;
  };
  network.run(150);
  let told = 0;
  network.links[0]!.tap = (datagram, way) => {
    if (way === "up" && datagram[1] === TYPE_CONTROL) told++;
    return true;
  };
  equal(network.client.receive(answers[0]!, 0, null, network.now), null);
  equal(pathOf(network.client, 0).mtu, CEILING);
  equal(told, 1);
});

Deno.test("unasked, nothing is probed, and nothing known", () => {
  for (const x1 of [true, false]) {
    using network = new VirtualNetwork({
      ...{ delaysMs: [20], x1 },
      ...(x1 ? {} : { mtuCeiling: TUNNEL_MTU }),
    });
    network.links[0]!.mtu = 1300;
    network.run(5000);
    deepEqual(findings(network), []);
    equal(network.server.session.packetBytesMax, Infinity);
    equal(pathOf(network.client, 0).mtu, null);
  }
});

for (const seed of [1, 2, 3, 4, 5, 6]) {
  Deno.test(`loss of 5 % does not fool it: seed ${seed}`, () => {
    using network = new VirtualNetwork({ delaysMs: [20, 20], mtuCeiling: TUNNEL_MTU, seed });
    network.links[0]!.mtu = 1337;
    for (const link of network.links) link.loss = 0.05;
    network.run(2 * LIMIT_MS);
    sendAsLargeAsFits(network, bothOf(network), 1200);
    network.run(8000);
    for (const path of [0, 1]) assertFound(network, path);
    equal(findings(network).length, 2);
  });
}

for (const from of ["client", "server"] as const) {
  Deno.test(`a path that shrinks under the traffic of the ${from} is noticed within 3 s`, () => {
    using network = new VirtualNetwork({ delaysMs: [20], mtuCeiling: TUNNEL_MTU });
    network.run(LIMIT_MS);
    sendAsLargeAsFits(network, [network[from]], CEILING);
    network.run(1000);
    equal(pathOf(network.client, 0).mtu, CEILING);
    network.links[0]!.mtu = 1300;
    const noticedAfter = timeUntil(network, LIMIT_MS, () => findings(network).length === 2);
    ok(noticedAfter <= LIMIT_MS, `after ${noticedAfter} ms`);
    assertFound(network, 0);
    network.run(TOLD_MS);
    equal(network.server.session.packetBytesMax, pathOf(network.client, 0).mtu);
    network.run(1000);
    const other = from === "client" ? network.server : network.client;
    const late = other.received.filter(({ at }) => at > network.now - 500);
    ok(late.length >= 8 * 49, "packets that fit arrive again");
    equal(pathOf(network.client, 0).liveness.state, "up", "small ones passed all the time");
  });
}

Deno.test("a size the kernel refuses is given up at once", () => {
  using network = new VirtualNetwork({ delaysMs: [20], mtuCeiling: TUNNEL_MTU });
  network.run(LIMIT_MS);
  network.links[0]!.mtu = 1300;
  const { session } = network.client;
  session.packetRefused(pathOf(network.client, 0), CEILING, network.now);
  network.client.flush(network.now);
  const noticedAfter = timeUntil(network, LIMIT_MS, () => findings(network).length === 2);
  ok(noticedAfter <= 1000, `after ${noticedAfter} ms`);
  assertFound(network, 0);
});

Deno.test("a link that leads elsewhere is searched anew", () => {
  using network = new VirtualNetwork({ delaysMs: [20], mtuCeiling: TUNNEL_MTU });
  network.links[0]!.mtu = 1300;
  network.run(LIMIT_MS);
  assertFound(network, 0);
  const { session } = network.client;
  session.linkFailed(pathOf(network.client, 0), network.now);
  network.run(500);
  network.links[0]!.mtu = 1500;
  session.linkWorks(pathOf(network.client, 0), network.now);
  network.run(LIMIT_MS);
  equal(pathOf(network.client, 0).mtu, CEILING);
  network.run(TOLD_MS);
  equal(network.server.session.packetBytesMax, CEILING);
});
