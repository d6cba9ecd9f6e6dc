/** Repair records between two peers: a stream over far links that lose packets, both ways. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { TYPE_REPAIR } from "../../lib/protocol/wire/header.ts";
import { VirtualNetwork } from "../../testing/virtual_network.ts";
import { bothOf, Traffic } from "./traffic.ts";

const FAR_MS = [100, 125];
const NEAR_MS = [10, 25];
const LOSS = 0.01;
/** 200 packets a second, as of a call. */
const EVERY_MS = 5;
const WARM_UP_MS = 8000;
const MEASURED_MS = 20_000;
const LATE_MS = 50;
const FLAG_TYPE = 1;

interface Outcome {
  /** Share of packets that came later than the path's delay and 50 ms, or not at all, each way. */
  readonly late: number[];
  readonly duplicates: number;
  readonly repaired: number;
  /** Repair records as a share of all that was sent. */
  readonly repairs: number;
}

function stream(
  options: { delaysMs?: number[]; loss?: number; repairs?: boolean; seed?: number } = {},
): Outcome {
  const { delaysMs = FAR_MS, loss = LOSS, repairs = true, seed = 1 } = options;
  using network = new VirtualNetwork({ delaysMs, scheduler: "aggregate", repairs, seed });
  let datagrams = 0;
  let parities = 0;
  for (const link of network.links) {
    link.loss = loss;
    link.rate = 2_500_000;
    link.tap = (datagram) => {
      datagrams++;
      if (datagram[FLAG_TYPE] === TYPE_REPAIR) parities++;
      return true;
    };
  }
  network.run(1000);
  const sentAt: number[] = [];
  const traffic = new Traffic(network, { everyMs: EVERY_MS, flows: 1 });
  network.every(EVERY_MS, (now) => sentAt[traffic.count - 1] = now);
  network.run(WARM_UP_MS);
  const from = traffic.count;
  network.run(MEASURED_MS);
  traffic.stop();
  const to = traffic.count;
  network.run(2000);
  const seen = bothOf(network).map((peer) => {
    const numbers = peer.received.map(({ number }) => number);
    equal(new Set(numbers).size, numbers.length, "a packet was delivered twice");
    const inTime = peer.received.filter(({ number, at }) =>
      number >= from && number < to && at - sentAt[number]! <= delaysMs[0]! + LATE_MS
    );
    return 1 - inTime.length / (to - from);
  });
  const sum = (count: (peer: typeof network.client) => number) =>
    bothOf(network).reduce((all, peer) => all + count(peer), 0);
  for (const peer of bothOf(network)) {
    equal(peer.drops.get("bad repair") + peer.drops.get("not authentic"), 0);
    equal(peer.drops.get("unknown type"), 0);
  }
  return {
    late: seen,
    duplicates: sum((peer) => peer.drops.get("duplicate")),
    repaired: sum(({ session }) =>
      [...session.paths].reduce((all, { counters }) => all + counters.repairedPackets, 0)
    ),
    repairs: parities / datagrams,
  };
}

Deno.test("lost packets of far links are had back in time, and none comes twice", () => {
  const without = stream({ repairs: false });
  const with_ = stream();
  equal(without.repaired + without.repairs, 0);
  ok(with_.repaired > 50, `${with_.repaired}`);
  for (const way of [0, 1]) {
    ok(without.late[way]! > 0.1, `${without.late} without`);
    ok(with_.late[way]! < 0.04, `${with_.late} with`);
  }
});

Deno.test("where nothing is lost, or links are near, there are no repair records", () => {
  for (const [delaysMs, loss] of [[FAR_MS, 0], [NEAR_MS, LOSS]] as const) {
    const { repaired, repairs } = stream({ delaysMs: [...delaysMs], loss });
    deepEqual([repaired, repairs], [0, 0]);
  }
});

Deno.test("a peer that does not know repair records never gets any", () => {
  deepEqual([stream({ repairs: false }).repairs], [0]);
});
