/** Datagrams that were tampered with, sent again or never ours: refused, and nothing changes. */
import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import {
  HEADER_LENGTH,
  NONCE_LENGTH,
  RECORD_OVERHEAD,
  TYPE_CONTROL,
  TYPE_PACKET,
} from "../../lib/protocol/wire/header.ts";
import { encodeTunnelMessage, type TunnelMessage } from "../../lib/protocol/wire/tunnel_message.ts";
import type { Peer } from "./peer.ts";
import { clientAddress, VirtualNetwork } from "../../testing/virtual_network.ts";

const STRANGER = clientAddress(66, 666);

/** All of a peer that a stranger must not be able to change, its counters of drops left out. */
function stateOf(peer: Peer) {
  const { session } = peer;
  return {
    paths: [...session.paths].map((path) => ({
      id: path.id,
      peer: path.peer.toString(),
      state: path.liveness.state,
      lastHeardAt: path.lastHeardAt,
      rttMs: path.quality.rtt.smoothedMs,
      counters: { ...path.counters },
    })),
    lastHeardAt: session.lastHeardAt,
    received: peer.received.length,
    events: peer.events.length,
    nextTimeout: session.nextTimeout(),
  };
}

/** A network that has run for a while, and one packet of the client that never arrived. */
function withStrayPacket(x1: boolean) {
  const network = new VirtualNetwork({ delaysMs: [5, 30], x1 });
  network.run(1000);
  const stray = capture(
    network,
    () => network.client.sendPacket({ flow: 7, number: 1 }, network.now),
  );
  return { network, stray, from: network.links[0]!.address };
}

/** The last datagram a peer sends during `action`; it gets no further. */
function capture(network: VirtualNetwork, action: () => void): Uint8Array {
  let captured = new Uint8Array();
  for (const link of network.links) {
    link.tap = (datagram) => {
      captured = datagram.slice();
      return false;
    };
  }
  action();
  for (const link of network.links) link.tap = null;
  return captured;
}

for (const x1 of [true, false]) {
  const name = x1 ? "x1" : "v1";

  Deno.test(`${name}: a flipped bit or a cut is refused and changes nothing`, () => {
    const { network, stray, from } = withStrayPacket(x1);
    using _ = network;
    const before = stateOf(network.server);
    fc.assert(fc.property(
      fc.oneof(
        fc.record({ bit: fc.nat({ max: stray.length * 8 - 1 }), end: fc.constant(stray.length) }),
        fc.record({ bit: fc.constant(-1), end: fc.nat({ max: stray.length - 1 }) }),
      ),
      fc.boolean(),
      ({ bit, end }, isStranger) => {
        const forged = stray.slice(0, end);
        if (bit >= 0) forged[bit >> 3]! ^= 1 << (bit & 7);
        const refusal = network.inject(forged, isStranger ? STRANGER : from);
        if (refusal === null) throw new Error(`accepted: bit ${bit}, end ${end}`);
        deepEqual(stateOf(network.server), before);
      },
    ));
    equal(network.inject(stray, from), null, "the packet itself is still good");
    equal(network.server.received.length, 1);
  });

  Deno.test(`${name}: random datagrams are refused`, () => {
    const { network, stray, from } = withStrayPacket(x1);
    using _ = network;
    const before = stateOf(network.server);
    const header = fc.constantFrom(stray.slice(0, HEADER_LENGTH), new Uint8Array());
    fc.assert(fc.property(header, fc.uint8Array({ maxLength: 200 }), (start, rest) => {
      const datagram = new Uint8Array([...start, ...rest]);
      // The length field is made to fit, so that more than it is looked at.
      if (datagram.length >= RECORD_OVERHEAD) {
        new DataView(datagram.buffer).setUint16(10, datagram.length - HEADER_LENGTH);
      }
      if (network.inject(datagram, from) === null) throw new Error("accepted");
      deepEqual(stateOf(network.server), before);
    }));
  });
}

Deno.test("x1: a packet sent again is refused from anywhere and changes nothing", () => {
  const { network, stray, from } = withStrayPacket(true);
  using _ = network;
  equal(network.inject(stray, from), null);
  const before = stateOf(network.server);
  equal(network.inject(stray, from), "replayed");
  equal(network.inject(stray, STRANGER), "replayed");
  deepEqual(stateOf(network.server), before);
});

Deno.test("x1: a packet sent back to its sender is of the wrong direction", () => {
  const { network, stray } = withStrayPacket(true);
  using _ = network;
  const before = stateOf(network.client);
  equal(network.client.receive(stray, 0, null, network.now), "wrong direction");
  deepEqual(stateOf(network.client), before);
});

Deno.test("a packet of another session is of an unknown session", () => {
  const { network, stray, from } = withStrayPacket(true);
  using _ = network;
  new DataView(stray.buffer).setUint32(2, 0x01020304);
  equal(network.inject(stray, from), "unknown session");
});

Deno.test("x1: a nonce for another path, a high counter or counter 0 is refused unopened", () => {
  const { network, stray, from } = withStrayPacket(true);
  using _ = network;
  const forge = (at: number, value: number) => {
    const forged = stray.slice();
    forged[at] = value;
    return network.inject(forged, from);
  };
  const path = HEADER_LENGTH + 1, counterHigh = HEADER_LENGTH + 7, counter = HEADER_LENGTH + 8;
  equal(forge(path, 9), "unknown sender");
  equal(forge(counterHigh, 1), "unknown sender");
  const zero = stray.slice();
  zero.fill(0, counter, HEADER_LENGTH + NONCE_LENGTH);
  equal(network.inject(zero, from), "replayed");
});

/** Of which whole ones may get lost. */
const EPOCHS_AHEAD = 8;

Deno.test("x1: forged records of the next epoch leave no trace", () => {
  const { network, stray, from } = withStrayPacket(true);
  using _ = network;
  const before = stateOf(network.server);
  const live = network.suite.live;
  for (let forgery = 0; forgery < 1000; forgery++) {
    const forged = stray.slice();
    forged[15] = forgery & 0xff;
    forged[HEADER_LENGTH + NONCE_LENGTH] = forgery >> 8;
    if ((forgery & 0xff) === 0) forged[forged.length - 1]! ^= 1;
    const refusal = network.inject(forged, from);
    equal(refusal, (forgery & 0xff) <= EPOCHS_AHEAD ? "not authentic" : "unknown epoch");
  }
  deepEqual(stateOf(network.server), before);
  equal(network.suite.live, live + EPOCHS_AHEAD, "an opener for each epoch ahead, kept");
  equal(network.inject(stray, from), null);
});

Deno.test("v1: handshakes and heartbeats sent again open no path for a stranger", () => {
  using network = new VirtualNetwork({ delaysMs: [5], x1: false });
  const recorded: Uint8Array[] = [];
  network.links[0]!.tap = (datagram, way) => {
    if (way === "up" && datagram[1] !== TYPE_PACKET) recorded.push(datagram.slice());
    return true;
  };
  network.run(60_000);
  equal(network.server.session.paths.count, 1);
  const before = stateOf(network.server);
  for (const datagram of recorded) equal(network.inject(datagram, STRANGER), "replayed");
  deepEqual(stateOf(network.server), before);
});

Deno.test("v1: packets from an address without a path are taken, and open none", () => {
  const { network, stray } = withStrayPacket(false);
  using _ = network;
  equal(network.inject(stray, STRANGER), null);
  equal(network.server.session.paths.count, 2);
});

Deno.test("x1: a message that only the other side may send is refused and changes nothing", () => {
  using network = new VirtualNetwork({ delaysMs: [5, 5] });
  network.run(1000);
  const token = "ab".repeat(16);
  const fromClient: TunnelMessage[] = [
    { type: "paths", usable: [0], scheduler: "stripe" },
    { type: "response", token },
    { type: "mtu probe", size: 1000 },
  ];
  const fromServer: TunnelMessage[] = [
    { type: "challenge", token },
    { type: "mtu answer", size: 1000 },
  ];
  for (
    const [peer, messages] of [[network.client, fromClient], [network.server, fromServer]] as const
  ) {
    const { session } = peer;
    const path = session.paths.byId(0)!;
    for (const message of messages) {
      const payload = encodeTunnelMessage(message);
      const refusal = session.receiveControl(TYPE_CONTROL, payload, path, network.now);
      equal(refusal, "bad message", message.type);
    }
    equal(session.pollTransmit(), null);
    equal(session.scheduling.scheduler.name, "flow");
    equal(session.paths.usable().length, 2);
  }
});

Deno.test("v1: control messages are of an unknown type", () => {
  using client = new VirtualNetwork({ delaysMs: [5], x1: false });
  client.run(100);
  const path = client.client.session.paths.byId(0)!;
  equal(client.server.session.receiveControl(4, new Uint8Array(2), path, 0), "unknown type");
  client.client.session.sayBye();
  equal(client.client.session.pollTransmit(), null);
});
