/** Transfers use all links they can, whatever happened to these before. Rates are bytes a second. */
import { deepEqual, ok } from "node:assert/strict";
import { VirtualNetwork } from "../../testing/virtual_network.ts";
import { bothOf, pathOf } from "./traffic.ts";
import { Transfers } from "./virtual_tcp.ts";

const MBIT = 125_000;

interface Link {
  readonly mbit: number;
  readonly delayMs: number;
  readonly queueMs?: number;
}

function networkOf(...links: Link[]): VirtualNetwork {
  return shape(new VirtualNetwork({ delaysMs: links.map(({ delayMs }) => delayMs) }), links);
}

function shape(network: VirtualNetwork, links: readonly Link[]): VirtualNetwork {
  for (const [index, { mbit, queueMs = 100 }] of links.entries()) {
    Object.assign(network.links[index]!, { rate: mbit * MBIT, queueMs });
  }
  network.run(1000);
  return network;
}

function isAtLeast(share: number, wanted: number, what: string): void {
  ok(share >= wanted, `${what}: ${share.toFixed(2)} of the links, not ${wanted}`);
}

Deno.test("grown flows spill over to a far link when the near one is full, both ways", () => {
  for (const index of [0, 1]) {
    using network = networkOf({ mbit: 50, delayMs: 10 }, { mbit: 20, delayMs: 40 });
    const transfers = new Transfers(network, bothOf(network)[index]!);
    transfers.begin(8);
    network.run(12_000);
    isAtLeast(transfers.share(5000), 0.85, ["up", "down"][index]!);
  }
});

Deno.test("three links at different distances all carry", () => {
  using network = networkOf(
    ...[{ mbit: 40, delayMs: 7 }, { mbit: 30, delayMs: 22 }, { mbit: 20, delayMs: 60 }],
  );
  const transfers = new Transfers(network, network.server);
  transfers.begin(8);
  network.run(15_000);
  const rates = transfers.rates(5000);
  ok(rates.every((rate, path) => rate > 0.5 * network.links[path]!.rate), `${rates}`);
});

Deno.test("a lone transfer keeps to the near link, and one that is left comes home", () => {
  using network = networkOf({ mbit: 50, delayMs: 10 }, { mbit: 20, delayMs: 40 });
  const transfers = new Transfers(network, network.client);
  transfers.begin(1);
  network.run(8000);
  ok(transfers.rates(5000)[1]! === 0, "it has the near one for itself");
  transfers.begin(7);
  network.run(10_000);
  ok(transfers.rates(2000)[1]! > 0.5 * network.links[1]!.rate, "they spill over");
  transfers.endAllBut(1);
  network.run(6000);
  const rates = transfers.rates(1000);
  ok(rates[1] === 0 && rates[0]! > 0.7 * network.links[0]!.rate, `home again: ${rates}`);
});

Deno.test("a link that has rested after its own transfer takes part in the next ones", () => {
  const link = { mbit: 20, delayMs: 10, queueMs: 250 };
  using network = networkOf(link, link);
  const transfers = new Transfers(network, network.client);
  transfers.begin(1);
  network.run(8000);
  transfers.endAllBut(0);
  network.run(1000);
  transfers.begin(4);
  network.run(6000);
  isAtLeast(transfers.share(3000), 0.85, "four uploads");
});

Deno.test("transfers begun while a link was away use it once it is back", () => {
  using network = networkOf({ mbit: 20, delayMs: 10 }, { mbit: 20, delayMs: 10 });
  const transfers = new Transfers(network, network.client);
  const cut = (ways: ("up" | "down")[]) => network.links[1]!.cut = new Set(ways);
  cut(["up", "down"]);
  network.run(2000);
  cut([]);
  network.run(300);
  transfers.begin(4);
  network.run(8000);
  isAtLeast(transfers.share(3000), 0.85, "four uploads");
});

Deno.test("a link that was cut often and is clean again carries new flows within 2 s", () => {
  using network = networkOf({ mbit: 20, delayMs: 10 }, { mbit: 20, delayMs: 10 });
  const transfers = new Transfers(network, network.client);
  for (let cut = 0; cut < 6; cut++) {
    network.links[1]!.cut = new Set(["up", "down"]);
    network.run(5000);
    network.links[1]!.cut = new Set();
    network.run(5000);
  }
  network.links[1]!.cut = new Set(["up", "down"]);
  network.run(5000);
  network.links[1]!.cut = new Set();
  network.run(2000);
  for (const peer of bothOf(network)) ok(pathOf(peer, 1).carriesFlows);
  transfers.begin(4);
  network.run(6000);
  isAtLeast(transfers.share(3000), 0.85, "four uploads");
});

Deno.test("a transfer leaves a link that becomes slow beside an idle one, and stays there", () => {
  using network = networkOf({ mbit: 20, delayMs: 10 }, { mbit: 10, delayMs: 10 });
  const transfers = new Transfers(network, network.client);
  transfers.begin(1);
  network.run(6000);
  ok(transfers.rates(2000)[0]! > 0.7 * network.links[0]!.rate, "the better link is used");
  network.links[0]!.rate = MBIT;
  network.run(8000);
  const rates = transfers.rates(3000);
  ok(rates[1]! > 0.7 * network.links[1]!.rate, `moved: ${rates}`);
  network.run(20_000);
  const later = transfers.rates(10_000);
  ok(later[1]! > 0.7 * network.links[1]!.rate, `stays: ${later}`);
});

Deno.test("towards a v1 server, what uploads do to their links is not held against these", () => {
  const link = { mbit: 4, delayMs: 10, queueMs: 200 };
  using network = shape(new VirtualNetwork({ delaysMs: [10, 10], x1: false }), [link, link]);
  const transfers = new Transfers(network, network.client);
  network.run(500);
  transfers.begin(8);
  network.run(8000);
  for (let second = 0; second < 10; second++) {
    network.run(1000);
    const reasons = [0, 1].map((id) => pathOf(network.client, id).eligibility.reason);
    deepEqual(reasons, [null, null], `second ${second}`);
  }
  ok(pathOf(network.client, 0).quality.jitterMs! > 15, "their round trips jitter indeed");
});
