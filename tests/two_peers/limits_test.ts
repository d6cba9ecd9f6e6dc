/** What a server does to a client that is held to limits, with every scheduler and both wires. */
import { deepEqual, equal, ok } from "node:assert/strict";
import type { SessionLimits } from "../../lib/net/engine.ts";
import type { SchedulerName } from "../../lib/protocol/wire/scheduler_name.ts";
import { VirtualNetwork } from "../../testing/virtual_network.ts";
import { type Peer, SESSION_ID } from "./peer.ts";
import { bothOf, Traffic } from "./traffic.ts";

const NOTHING: SessionLimits = {
  ...{ rateDown: null, rateUp: null, reach: null, routes: [], volumeLeft: null },
};
const PACKET_BYTES = 1000;
const SECONDS = 4;

/** Bytes a second that a peer got in the last seconds. */
function rateOf(network: VirtualNetwork, { received }: Peer): number {
  const since = network.now - SECONDS * 1000;
  return received.filter(({ at }) => at > since).length * PACKET_BYTES / SECONDS;
}

for (
  const [scheduler, x1] of [
    ...["flow", "stripe", "redundant", "failover", "aggregate"].map((name) => [name, true]),
    ["flow", false],
  ] as [SchedulerName, boolean][]
) {
  Deno.test(`a rate holds both ways, whatever the paths: ${scheduler}, ${x1 ? "x1" : "v1"}`, () => {
    using network = new VirtualNetwork({ delaysMs: [10, 12], scheduler, x1 });
    network.run(1000);
    const limits = { ...NOTHING, rateDown: 500_000, rateUp: 250_000, volumeLeft: 1e9 };
    network.server.driver.setLimits(SESSION_ID, limits, network.now);
    // 800 kB/s each way.
    const traffic = new Traffic(network);
    network.run(1000 + SECONDS * 1000);
    const [client, server] = bothOf(network).map((peer) => rateOf(network, peer)) as [
      number,
      number,
    ];
    ok(Math.abs(client / 500_000 - 1) < 0.05, `${client} bytes a second down`);
    ok(Math.abs(server / 250_000 - 1) < 0.05, `${server} bytes a second up`);
    ok(network.server.drops.get("over rate") > 0);

    // What was carried is told, and no more than that.
    traffic.stop();
    network.run(20_000);
    const told = network.server.events
      .reduce((sum, event) => sum + (event.kind === "volume" ? event.bytes : 0), 0);
    const atServer = network.server.received.length * PACKET_BYTES;
    const atClient = network.client.received.length * PACKET_BYTES;
    equal(told, atServer + atClient);

    // Without limits all of it passes again.
    network.server.driver.setLimits(SESSION_ID, NOTHING, network.now);
    new Traffic(network);
    network.run(1000 + SECONDS * 1000);
    for (const peer of bothOf(network)) {
      const rate = rateOf(network, peer);
      ok(rate > 780_000, `${rate} bytes a second without a limit`);
    }
  });
}

Deno.test("packets of a flow stay in order through a limit", () => {
  using network = new VirtualNetwork({ delaysMs: [10] });
  network.run(1000);
  const limits = { ...NOTHING, rateDown: 300_000, rateUp: 300_000 };
  network.server.driver.setLimits(SESSION_ID, limits, network.now);
  new Traffic(network, { flows: 4 });
  network.run(3000);
  for (const { received } of bothOf(network)) {
    const numbers = received.filter(({ flow }) => flow === 0).map(({ number }) => number);
    ok(numbers.length > 50);
    deepEqual(numbers, numbers.toSorted((one, other) => one - other));
  }
});
