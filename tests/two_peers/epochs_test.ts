/** Keys change while packets overtake each other, and no packet is lost to it. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { SCHEDULERS } from "../../lib/protocol/wire/scheduler_name.ts";
import { Traffic } from "./traffic.ts";
import { VirtualNetwork } from "../../testing/virtual_network.ts";

/** Both sides send a packet on every path each 5 ms, numbered. Returns how many each sent. */
function flood(network: VirtualNetwork, ms: number): number {
  let number = 0;
  const stop = network.every(5, (now) => {
    for (const peer of [network.client, network.server]) {
      for (const path of peer.session.paths) {
        peer.sendPacketOn(path, { flow: path.id, number }, now);
      }
    }
    number++;
  });
  network.run(ms);
  stop();
  network.run(1000);
  return number;
}

function assertAllReceived(network: VirtualNetwork, sent: number): void {
  for (const peer of [network.client, network.server]) {
    const got = new Set(peer.received.map(({ flow, number }) => `${flow}:${number}`));
    equal(got.size, sent * network.links.length);
    equal(peer.received.length, got.size, "none came twice");
    deepEqual(peer.drops.entries(), []);
  }
}

for (
  const [what, epochLimits] of [
    ["300 packets", { packets: 300, ms: 1e9 }],
    ["1000 ms", { packets: 1e9, ms: 1000 }],
  ] as const
) {
  Deno.test(`an epoch of ${what} ends without loss on paths that differ by 400 ms`, () => {
    using network = new VirtualNetwork({ delaysMs: [5, 400], epochLimits });
    for (const link of network.links) link.jitterMs = 60;
    network.run(1000);
    const sent = flood(network, 5000);
    ok(network.suite.noncesByKey.size >= 8, `${network.suite.noncesByKey.size} keys`);
    assertAllReceived(network, sent);
  });
}

Deno.test("more than 256 epochs: the number on the wire begins anew, the keys do not", () => {
  using network = new VirtualNetwork({ delaysMs: [5], epochLimits: { packets: 1e9, ms: 50 } });
  network.run(100);
  const sent = flood(network, 20_000);
  ok(network.suite.noncesByKey.size > 2 * 300, `${network.suite.noncesByKey.size} keys`);
  assertAllReceived(network, sent);
});

Deno.test("a quiet session changes its keys too, and goes on", () => {
  using network = new VirtualNetwork({ delaysMs: [5, 30] });
  network.run(700_000);
  // Six epochs of 120 s each way.
  equal(network.suite.noncesByKey.size, 12);
  assertAllReceived(network, flood(network, 100));
});

Deno.test("a record of the epoch before is taken for 10 s, and refused after", () => {
  using network = new VirtualNetwork({ delaysMs: [5], epochLimits: { packets: 1e9, ms: 15_000 } });
  const held: Uint8Array[] = [];
  network.run(14_000);
  network.links[0]!.tap = (datagram) => {
    held.push(datagram.slice());
    return false;
  };
  for (let number = 0; number < 2; number++) {
    network.client.sendPacket({ flow: 1, number }, network.now);
  }
  network.links[0]!.tap = null;
  const { address } = network.links[0]!;
  network.run(10_500);
  equal(network.inject(held[0]!, address), null);
  network.run(4000);
  equal(network.inject(held[1]!, address), "unknown epoch");
});

Deno.test("loss while the keys change costs the lost packets only", () => {
  using network = new VirtualNetwork({
    ...{ delaysMs: [5, 60], seed: 7 },
    epochLimits: { packets: 200, ms: 1e9 },
  });
  for (const link of network.links) link.loss = 0.2;
  network.run(1000);
  const sent = flood(network, 5000);
  for (const peer of [network.client, network.server]) {
    deepEqual(peer.drops.entries(), []);
    ok(peer.received.length > sent * 2 * 0.7 && peer.received.length < sent * 2 * 0.9);
  }
});

for (const scheduler of SCHEDULERS) {
  Deno.test(`${scheduler}: a new key each second costs no packet on links of different delay`, () => {
    using network = new VirtualNetwork({
      ...{ delaysMs: [5, 30], scheduler },
      epochLimits: { packets: 1e9, ms: 1000 },
    });
    network.run(500);
    const traffic = new Traffic(network, { everyMs: 5, flows: 4 });
    network.run(6000);
    traffic.stop();
    network.run(1000);
    // Six and a half seconds, two directions.
    equal(network.suite.noncesByKey.size, 2 * 8);
    for (const peer of [network.client, network.server]) {
      const got = new Set(peer.received.map(({ flow, number }) => `${flow}:${number}`));
      equal(got.size, 4 * traffic.count);
      equal(peer.received.length, got.size, "none came twice");
      const copies = peer.drops.get("copy");
      deepEqual(peer.drops.entries(), scheduler === "redundant" ? [["copy", copies]] : []);
      ok(scheduler !== "redundant" || copies > 0.9 * got.size);
    }
  });
}

for (const scheduler of ["stripe", "redundant"] as const) {
  Deno.test(`${scheduler}: sequence numbers that wrap at 2^32 keep their order`, () => {
    using network = new VirtualNetwork({
      ...{ delaysMs: [5, 25], scheduler },
      firstSequence: 2 ** 32 - 700,
    });
    network.run(500);
    const traffic = new Traffic(network, { everyMs: 5, flows: 3 });
    network.run(7000);
    traffic.stop();
    network.run(1000);
    // Each flow has a stream of its own.
    ok(traffic.count > 2 * 700 - 10, `${traffic.count}`);
    for (const peer of [network.client, network.server]) {
      for (const flow of [0, 1, 2]) {
        const numbers = peer.received.filter((packet) => packet.flow === flow).map((packet) =>
          packet.number
        );
        deepEqual(numbers, Array.from({ length: traffic.count }, (_, number) => number));
      }
      equal(peer.drops.get("late") + peer.drops.get("duplicate"), 0);
    }
  });
}
