/** What the operator prescribes for links holds with every scheduler, both ways. Rates are bytes a second. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { NO_RULE, type PathRule } from "../../lib/protocol/wire/path_rule.ts";
import { type SchedulerName, SCHEDULERS } from "../../lib/protocol/wire/scheduler_name.ts";
import { VirtualNetwork } from "../../testing/virtual_network.ts";
import { bothOf, packetsByPath, pathOf, timeUntil, Traffic } from "./traffic.ts";
import { Transfers } from "./virtual_tcp.ts";

const MBIT = 125_000;
const LINK_HEADERS_BYTES = 28;
const BACKUP: PathRule = { ...NO_RULE, use: "backup" };
const USED_UP: PathRule = { ...NO_RULE, use: "cap reached" };

function networkOf(scheduler: SchedulerName, mbit: readonly number[], x1 = true): VirtualNetwork {
  const network = new VirtualNetwork({ delaysMs: mbit.map(() => 10), scheduler, x1 });
  for (const [index, rate] of mbit.entries()) {
    Object.assign(network.links[index]!, { rate: rate * MBIT, queueMs: 100 });
  }
  network.run(1000);
  return network;
}

function prescribe(network: VirtualNetwork, id: number, rule: PathRule): void {
  network.client.driver.setPathRule(network.client.session.id, id, rule, network.now);
  network.client.flush(network.now);
}

/** Bytes on the wire of each link from now on, by way. */
function meter(network: VirtualNetwork): { up: number; down: number }[] {
  return network.links.map((link) => {
    const carried = { up: 0, down: 0 };
    link.tap = (datagram, way) => {
      carried[way] += datagram.length + LINK_HEADERS_BYTES;
      return true;
    };
    return carried;
  });
}

for (const scheduler of SCHEDULERS) {
  Deno.test(`${scheduler}: links carry what is prescribed, and no more, both ways`, () => {
    using network = networkOf(scheduler, [100, 100]);
    const rule = { sendRate: 4 * MBIT, receiveRate: 8 * MBIT, use: "always" } as const;
    for (const id of [0, 1]) prescribe(network, id, rule);
    network.run(500);
    for (const peer of bothOf(network)) new Transfers(network, peer).begin(8);
    network.run(4000);
    const carried = meter(network);
    network.run(5000);
    const most = (way: "up" | "down") => Math.max(...carried.map((each) => each[way])) / 5;
    for (const [way, rate] of [["up", 4 * MBIT], ["down", 8 * MBIT]] as const) {
      ok(most(way) <= 1.01 * rate, `${way}: ${most(way) / MBIT} Mbit/s`);
      ok(most(way) >= 0.75 * rate, `${way}: ${most(way) / MBIT} Mbit/s`);
    }
  });
}

Deno.test("towards a v1 server, what this side sends is held to its rate", () => {
  using network = networkOf("flow", [100, 100], false);
  for (const id of [0, 1]) prescribe(network, id, { ...NO_RULE, sendRate: 4 * MBIT });
  new Transfers(network, network.client).begin(8);
  network.run(2000);
  const carried = meter(network);
  network.run(3000);
  for (const { up } of carried) {
    ok(up / 3 <= 1.01 * 4 * MBIT && up / 3 >= 3 * MBIT, `${up / 3 / MBIT} Mbit/s`);
  }
});

Deno.test("a rate that is taken back holds no longer, and packets go on meanwhile", () => {
  using network = networkOf("flow", [40, 40]);
  for (const id of [0, 1]) prescribe(network, id, { ...NO_RULE, receiveRate: 4 * MBIT });
  const transfers = new Transfers(network, network.server);
  transfers.begin(8);
  network.run(4000);
  ok(transfers.share(2000) < 0.12, "held");
  for (const id of [0, 1]) prescribe(network, id, NO_RULE);
  network.run(6000);
  ok(transfers.share(2000) > 0.6, `${transfers.share(2000)}`);
});

Deno.test("small packets pass a queue that waits for its rate", () => {
  using network = networkOf("flow", [100]);
  prescribe(network, 0, { ...NO_RULE, sendRate: 4 * MBIT });
  new Transfers(network, network.client).begin(4);
  network.run(3000);
  const { received } = network.server;
  const sentAt = network.now;
  network.client.sendPacket({ flow: 7, number: 1 }, network.now);
  network.client.flush(network.now);
  network.run(200);
  const arrived = received.find(({ flow }) => flow === 7);
  ok(arrived !== undefined && arrived.at - sentAt < 25, `${arrived && arrived.at - sentAt} ms`);
});

for (const scheduler of ["flow", "stripe", "redundant", "aggregate"] as const) {
  Deno.test(`${scheduler}: a backup carries while the others are full, and rests again`, () => {
    using network = networkOf(scheduler, [20, 20]);
    prescribe(network, 1, BACKUP);
    network.run(500);
    const few = new Traffic(network, { everyMs: 20, flows: 4 });
    network.run(3000);
    for (const peer of bothOf(network)) {
      const [own, backup] = packetsByPath(network, peer, 2000);
      ok(own! > 0 && backup === 0, `${own} and ${backup}`);
      equal(pathOf(peer, 1).isHeldBack, true);
    }
    few.stop();
    const downloads = new Transfers(network, network.server);
    downloads.begin(8);
    network.run(6000);
    const [, full] = downloads.rates(2000);
    // Of two copies it is the one that comes first.
    const least = scheduler === "redundant" ? 0.2 : 0.4;
    ok(full! > least * network.links[1]!.rate, `${full! / MBIT} Mbit/s over the backup`);
    downloads.endAllBut(0);
    new Traffic(network, { everyMs: 20, flows: 4 });
    network.run(8000);
    deepEqual(packetsByPath(network, network.client, 1000)[1], 0);
  });
}

for (const scheduler of SCHEDULERS) {
  Deno.test(`${scheduler}: a backup carries as soon as no other link works, and no longer`, () => {
    using network = networkOf(scheduler, [20, 20, 20]);
    prescribe(network, 1, BACKUP);
    prescribe(network, 2, USED_UP);
    network.run(500);
    new Traffic(network, { everyMs: 20, flows: 4 });
    network.run(2000);
    for (const peer of bothOf(network)) {
      deepEqual(packetsByPath(network, peer, 1000).slice(1), [0, 0]);
    }
    network.links[0]!.cut = new Set(["up", "down"]);
    for (const peer of bothOf(network)) {
      const ms = timeUntil(network, 2000, () => packetsByPath(network, peer, 50)[1]! > 0);
      ok(ms < 1000, `${ms} ms`);
    }
    network.run(2000);
    for (const peer of bothOf(network)) equal(packetsByPath(network, peer, 1000)[2], 0);
    network.links[1]!.cut = new Set(["up", "down"]);
    network.run(2000);
    for (const peer of bothOf(network)) {
      ok(packetsByPath(network, peer, 500)[2]! > 0, "the last one carries, used up or not");
    }
    for (const link of network.links) link.cut = new Set();
    network.run(4000);
    for (const peer of bothOf(network)) {
      const [own, ...others] = packetsByPath(network, peer, 1000);
      ok(own! > 0, "back");
      deepEqual(others, [0, 0]);
      equal(pathOf(peer, 2).liveness.state, "up", "its path is kept alive");
    }
  });
}

for (const scheduler of ["flow", "stripe", "redundant", "aggregate"] as const) {
  Deno.test(`${scheduler}: a link whose volume is used up carries nothing, however full the others`, () => {
    using network = networkOf(scheduler, [10, 20]);
    prescribe(network, 1, USED_UP);
    network.run(500);
    const transfers = bothOf(network).map((peer) => new Transfers(network, peer));
    for (const each of transfers) each.begin(8);
    network.run(5000);
    for (const each of transfers) equal(each.rates(4000)[1], 0);
  });
}

Deno.test("the report says why a path carries nothing, and what it is held to", () => {
  using network = networkOf("flow", [20, 20, 20]);
  prescribe(network, 0, { sendRate: MBIT, receiveRate: 2 * MBIT, use: "always" });
  prescribe(network, 1, BACKUP);
  prescribe(network, 2, USED_UP);
  network.run(500);
  const told = ({ driver }: typeof network.client) =>
    driver.report(network.now)[0]!.paths.map(({ idleFor, rateLimit }) => [idleFor, rateLimit]);
  deepEqual(told(network.client), [[null, MBIT], ["backup", null], ["cap reached", null]]);
  deepEqual(told(network.server), [[null, 2 * MBIT], ["backup", null], ["cap reached", null]]);
});
