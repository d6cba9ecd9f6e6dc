/** Sessions of lib/ against the v1 peer, on virtual time. */
import { HEADERS_BYTES, writePacket } from "../two_peers/test_packet.ts";
import { deepEqual, equal, notEqual, ok } from "node:assert/strict";
import { HEARTBEAT_ACTIVE_MS, HEARTBEAT_IDLE_MS } from "../../lib/protocol/session/heartbeats.ts";
import { MixedNetwork, V1_HEARTBEAT_MS } from "./mixed_network.ts";

const PACKET = writePacket({ flow: 1, number: 1 }, "client", HEADERS_BYTES);

/** A path that was down has to be good for a while before flows come back to it. */
const TRUSTED_AGAIN_MS = 15_000;
const ROLES = ["client", "server"] as const;

/** Both sides send a packet of each of eight flows every 10 ms. Returns how many each side sent. */
function exchange(network: MixedNetwork, ms: number): number {
  let number = 0;
  const stop = network.every(10, (now) => {
    for (let flow = 0; flow < 8; flow++) {
      network.ours.sendPacket({ flow, number }, now);
      const links = network.usableLinks.filter((link) => !network.links[link]!.isCut);
      network.sendV1Packet({ flow, number }, links[(number + flow) % links.length]!);
    }
    number++;
  });
  network.run(ms);
  stop();
  network.run(500);
  return number * 8;
}

function assertClean(network: MixedNetwork): void {
  deepEqual(network.v1.violations.samples, []);
  deepEqual(network.ours.drops.entries(), []);
}

for (const ours of ROLES) {
  Deno.test(`v1 ${ours}: packets, heartbeats and handshakes are as the document wants them`, () => {
    using network = new MixedNetwork({ ours, delaysMs: [5, 15, 30] });
    network.run(1000);
    const sent = exchange(network, 3000);
    assertClean(network);
    equal(network.v1.inspector.missing, 0);
    equal(network.delivered.length, sent);
    equal(network.v1.queue.flushes, 0, "no hole in the sequence stalls the receiver");
    const got = new Set(network.ours.received.map(({ flow, number }) => `${flow}:${number}`));
    equal(got.size, sent);
    equal(network.ours.received.length, sent);
    const links = network.arrivals.filter(({ type }) => type === "packet").map(({ link }) => link);
    deepEqual(new Set(links), new Set([0, 1, 2]));
  });

  for (const compression of ["off", "always"] as const) {
    Deno.test(`v1 ${ours}: own records sent back mean nothing, compression ${compression}`, () => {
      using network = new MixedNetwork({ ours, delaysMs: [5], compression });
      network.run(1000);
      const { session, received, drops } = network.ours;
      // Numbers far ahead of those the peer has used.
      for (let number = 0; number < 500; number++) {
        network.ours.sendPacket({ flow: 1, number }, network.now);
      }
      const heard = session.lastHeardAt;
      network.now += 50;
      for (const datagram of network.sent.slice()) {
        equal(network.inject(datagram, 5000), "wrong direction");
        equal(network.inject(datagram, 4000), "wrong direction");
      }
      equal(session.lastHeardAt, heard);
      equal([...session.paths].length, 1);
      const before = received.length;
      for (let number = 0; number < 50; number++) network.sendV1Packet({ flow: 2, number }, 0);
      network.run(200);
      equal(received.length - before, 50, "the peer's packets come in as ever");
      equal(drops.get("late"), 0);
    });
  }

  Deno.test(`v1 ${ours}: minutes of quiet change no path`, () => {
    using network = new MixedNetwork({ ours, delaysMs: [5, 40] });
    network.run(400_000);
    exchange(network, 200);
    assertClean(network);
    for (const path of [0, 1]) deepEqual(network.ours.statesOf(path), ["up"]);
  });

  Deno.test(`v1 ${ours}: a cut link is left, and used again when it works`, () => {
    using network = new MixedNetwork({ ours, delaysMs: [10, 10] });
    network.run(1000);
    exchange(network, 3000);
    network.links[1]!.isCut = true;
    exchange(network, 7000);
    notEqual(network.ours.statesOf(1).at(-1), "up");
    const before = network.delivered.length;
    equal(exchange(network, 2000), network.delivered.length - before, "nothing goes there");
    network.links[1]!.isCut = false;
    const from = network.now;
    network.every(20, (now) => network.ours.sendPacket({ flow: 100 + now, number: 0 }, now));
    network.run(TRUSTED_AGAIN_MS);
    const links = network.arrivals.filter(({ type, at }) => type === "packet" && at > from);
    deepEqual(new Set(links.map(({ link }) => link)), new Set([0, 1]));
    deepEqual(network.v1.violations.samples, []);
  });

  Deno.test(`v1 ${ours}: no datagram with one bit changed is taken, and none is answered`, () => {
    using network = new MixedNetwork({ ours, delaysMs: [5] });
    network.run(1000);
    const { v1 } = network;
    const datagrams = [
      v1.rawPacket(PACKET, false),
      ...(ours === "server" ? [v1.heartbeat(network.clockNs()), v1.handshake()] : []),
    ];
    const { received, session } = network.ours;
    const arrivals = network.arrivals.length;
    const heard = session.lastHeardAt;
    for (const datagram of datagrams) {
      for (let bit = 0; bit < datagram.length * 8; bit++) {
        const changed = datagram.slice();
        changed[bit >> 3]! ^= 1 << (bit & 7);
        const reason = ours === "server"
          ? network.inject(changed, 5000)
          : network.ours.receive(changed, 0, null, network.now);
        notEqual(reason, null, `bit ${bit}`);
      }
      for (let length = 0; length < datagram.length; length++) {
        const cut = datagram.slice(0, length);
        notEqual(network.inject(cut, 5000), null, `${length} bytes`);
      }
    }
    equal(session.lastHeardAt, heard);
    equal(received.length, 0);
    equal([...session.paths].length, 1);
    network.run(100);
    equal(network.arrivals.slice(arrivals).filter(({ type }) => type !== "heartbeat").length, 0);
  });
}

Deno.test("v1 client: heartbeats every 2 s in quiet, every 200 ms under traffic", () => {
  using network = new MixedNetwork({ ours: "client", delaysMs: [10] });
  network.run(3000);
  const gapsSince = (since: number) => {
    const beats = network.arrivals.filter(({ type, at }) => type === "heartbeat" && at >= since);
    return beats.slice(1).map(({ at }, index) => at - beats[index]!.at);
  };
  const quietFrom = network.now;
  network.run(20_000);
  ok(gapsSince(quietFrom).length >= 8);
  for (const gap of gapsSince(quietFrom)) ok(Math.abs(gap - HEARTBEAT_IDLE_MS) <= 2, `${gap} ms`);
  const stop = network.every(10, (now) => network.ours.sendPacket({ flow: 1, number: 0 }, now));
  const busyFrom = network.now + HEARTBEAT_ACTIVE_MS;
  network.run(5000);
  stop();
  ok(gapsSince(busyFrom).length >= 20);
  for (const gap of gapsSince(busyFrom)) ok(Math.abs(gap - HEARTBEAT_ACTIVE_MS) <= 2, `${gap} ms`);
  const { rtt } = network.ours.session.paths.byId(0)!.quality;
  equal(rtt.smoothedMs, 20, "echoes with a sequence are echoes");
});

Deno.test("v1 client: heartbeats bear the time of day, from which a v1 server takes the round trip", () => {
  using network = new MixedNetwork({ ours: "client", delaysMs: [10, 30] });
  network.run(5000);
  const beats = network.arrivals.filter(({ type }) => type === "heartbeat");
  ok(beats.length >= 4);
  for (const { link, at, payload } of beats) {
    const sentNs = new DataView(payload.buffer, payload.byteOffset).getBigUint64(0);
    const agoMs = Number(network.clockNsAt(at) - sentNs) / 1e6;
    ok(Math.abs(agoMs - [10, 30][link]!) <= 1.5, `link ${link}: ${agoMs} ms ago`);
  }
  equal(network.ours.session.paths.byId(1)!.quality.rtt.smoothedMs, 60, "our own is right, too");
});

Deno.test("v1 client: a clean stop sends nothing that v1 does not know", () => {
  using network = new MixedNetwork({ ours: "client", delaysMs: [10, 10] });
  network.run(1000);
  network.ours.session.sayBye();
  network.ours.removePath(1, network.now);
  network.ours.flush(network.now);
  network.run(100);
  assertClean(network);
});

Deno.test("v1 server: a heartbeat of the wall clock comes back bit by bit on its path at once", () => {
  using network = new MixedNetwork({ ours: "server", delaysMs: [10, 70] });
  network.run(V1_HEARTBEAT_MS + 1000);
  for (const [link, { delayMs }] of network.links.entries()) {
    const clock = network.clockNs();
    const sentAt = network.now;
    network.sendV1(network.v1.heartbeat(clock), link);
    network.run(200);
    const echo = network.arrivals.find(({ type, at }) => type === "heartbeat" && at > sentAt)!;
    const view = new DataView(echo.payload.buffer, echo.payload.byteOffset);
    equal(view.getBigUint64(0), clock);
    equal(echo.link, link);
    ok(echo.at - sentAt <= 2 * delayMs + 1, `took ${echo.at - sentAt} ms`);
  }
  assertClean(network);
});

Deno.test("v1 server: a client that beats every 2 s and sends nothing gets packets on both links", () => {
  using network = new MixedNetwork({ ours: "server", delaysMs: [10, 20] });
  network.run(500);
  network.every(10, (now) => network.ours.sendPacket({ flow: now, number: 0 }, now));
  network.run(60_000);
  for (const link of [0, 1]) {
    deepEqual(network.ours.statesOf(link), ["up"]);
    const share = network.arrivals.filter((each) => each.type === "packet" && each.link === link)
      .length / network.v1.counters.received.packet;
    ok(share > 0.2, `${share} on link ${link}`);
  }
  assertClean(network);
});

Deno.test("v1 server: packets from where no handshake has come yet are delivered", () => {
  using network = new MixedNetwork({ ours: "server", delaysMs: [10, 10] });
  network.run(100);
  // A handshake may be lost or overtaken, or a NAT may give the client another port.
  network.inject(network.v1.packet(PACKET), 7000);
  equal(network.ours.received.length, 1);
  equal([...network.ours.session.paths].length, 2, "it opens no path");
});

Deno.test("v1 server: a link that fell silent while nothing was sent gets no new flow", () => {
  using network = new MixedNetwork({ ours: "server", delaysMs: [10, 10] });
  network.run(10_000);
  network.links[1]!.isCut = true;
  // Ten heartbeats of the client have not come.
  network.run(20_000);
  for (let flow = 0; flow < 16; flow++) {
    network.ours.sendPacket({ flow: 1000 * flow, number: 0 }, network.now);
  }
  network.run(100);
  equal(network.delivered.length, 16);
});

Deno.test("v1 server: copies of what was sent open no path, from anywhere", () => {
  using network = new MixedNetwork({ ours: "server", delaysMs: [10] });
  const { v1 } = network;
  const heartbeat = v1.heartbeat(network.clockNs());
  const asked = [v1.handshake(), heartbeat];
  const packet = v1.rawPacket(PACKET, false);
  network.run(100);
  for (const datagram of [...asked, packet]) network.sendV1(datagram, 0);
  network.run(3000);
  const paths = [...network.ours.session.paths].length;
  for (const [index, datagram] of asked.entries()) {
    notEqual(network.inject(datagram, 6000 + index), null);
  }
  // The reorder stage knows it for a copy, which comes after the session.
  equal(network.inject(packet, 6002), "late");
  equal([...network.ours.session.paths].length, paths);
  assertCleanV1(network);
});

function assertCleanV1(network: MixedNetwork): void {
  deepEqual(network.v1.violations.samples, []);
}

Deno.test("v1 server: an address that answers nothing gets three times what came from it", () => {
  using network = new MixedNetwork({ ours: "server", delaysMs: [5, 5], answersPings: false });
  let worst = 0;
  let number = 0;
  network.every(2, (now) => {
    network.ours.sendPacket({ flow: number % 8, number: number++ }, now);
    if (number % 50 === 0) network.sendV1Packet({ flow: 1, number }, 1);
    for (const { got, sent } of network.bytes) if (sent > 0) worst = Math.max(worst, sent / got);
  });
  network.run(20_000);
  for (const { got, sent } of network.bytes) ok(got > 0 && sent > 0);
  ok(worst <= 3, `${worst} times`);
  equal(network.ours.session.isReady, false);
});

Deno.test("v1 server: a path whose address answers carries packets, whichever way the answer comes", () => {
  using network = new MixedNetwork({ ours: "server", delaysMs: [5, 20] });
  network.run(200);
  for (const path of network.ours.session.paths) equal(path.amplificationCredit, Infinity);
  exchange(network, 1000);
  assertClean(network);
  equal(network.ours.received.some(({ number }) => number > 100), false, "no answer is delivered");
});

Deno.test("v1 server: the host of the control connection has answered already, other ports too", () => {
  using network = new MixedNetwork({
    ...{ ours: "server", delaysMs: [5, 5], answersPings: false, controlHost: "203.0.113.1" },
  });
  network.run(1000);
  const { paths } = network.ours.session;
  equal(paths.byId(0)!.peer.toString(), "203.0.113.1:4000");
  equal(paths.byId(0)!.amplificationCredit, Infinity);
  ok(paths.byId(1)!.amplificationCredit < Infinity, "another host has not");
  equal(network.inject(network.v1.handshake(), 4100), null);
  equal(paths.byId(2)!.amplificationCredit, Infinity);
});

Deno.test("v1 server: a handshake is answered, so that a client that beats seldom keeps its path", () => {
  using network = new MixedNetwork({ ours: "server", delaysMs: [10, 10] });
  network.run(100);
  const from = network.now;
  network.sendV1(network.v1.handshake(), 1);
  network.run(30);
  const answers = network.arrivals.filter(({ at }) => at > from);
  deepEqual(answers.map(({ type, link }) => [type, link]), [["handshake", 1]]);
});

Deno.test("v1 server: a client that redials every 10 s always finds a place for its link", () => {
  using network = new MixedNetwork({ ours: "server", delaysMs: [10] });
  network.run(1000);
  const { paths } = network.ours.session;
  for (let port = 5000; port < 5100; port++) {
    for (let link = 0; link < 6; link++) {
      const refusal = network.inject(network.v1.handshake(), port + 200 * link);
      equal(refusal, null, `port ${port} of link ${link}: ${refusal}`);
    }
    network.run(10_000);
    ok(paths.count <= 16);
  }
  equal(paths.byId(0)?.liveness.state, "up", "a path that is heard keeps its place");
});
