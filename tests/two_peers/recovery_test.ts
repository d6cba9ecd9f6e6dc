/** Whatever happened to the links: once they are well, everything is as if nothing had. */
import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { SCHEDULERS } from "../../lib/protocol/wire/scheduler_name.ts";
import { PROBATION_MAX_MS } from "../../lib/protocol/path/eligibility.ts";
import { bothOf, pathOf, Traffic } from "./traffic.ts";
import { clientAddress, VirtualNetwork } from "../../testing/virtual_network.ts";

const DELAYS_MS = [15, 15, 15];
const FLOWS = 2;
/** A path may have been on probation for the longest time, after loss that was remembered for 5 s. */
const CALM_MS = PROBATION_MAX_MS + 10_000;

function heal(network: VirtualNetwork, index: number): void {
  const link = network.links[index]!;
  link.cut.clear();
  Object.assign(link, { loss: 0, jitterMs: 0, delayMs: DELAYS_MS[index]! });
}

function linkWorks(network: VirtualNetwork, index: number): void {
  const path = pathOf(network.client, index);
  if (path.isLinkGone) network.client.linkWorks(path, network.now);
}

/** What may happen to link `index`, as the `nth` thing. */
const MISHAPS: readonly ((network: VirtualNetwork, index: number, nth: number) => void)[] = [
  function isCut({ links }, index) {
    links[index]!.cut = new Set(["up", "down"]);
  },
  function isCutUp({ links }, index) {
    links[index]!.cut = new Set(["up"]);
  },
  function isCutDown({ links }, index) {
    links[index]!.cut = new Set(["down"]);
  },
  function losesPackets({ links }, index) {
    links[index]!.loss = 0.3;
  },
  function jitters({ links }, index) {
    links[index]!.jitterMs = 60;
  },
  function getsFar({ links }, index) {
    links[index]!.delayMs = 300;
  },
  function getsAddress({ links }, index, nth) {
    links[index]!.address = clientAddress(100 + nth, 4000 + index);
  },
  function getsPort({ links }, index, nth) {
    links[index]!.address = clientAddress(index + 1, 5000 + nth);
  },
  function isGone({ client, now }, index) {
    client.linkFailed(pathOf(client, index), now);
  },
  function isMadeAnew(network, index) {
    network.client.removePath(index, network.now);
    network.addPath(index);
  },
  linkWorks,
  heal,
];

const MISHAP = fc.record({
  link: fc.nat({ max: DELAYS_MS.length - 1 }),
  happen: fc.constantFrom(...MISHAPS),
  afterMs: fc.nat({ max: 3000 }),
});

for (const x1 of [true, false]) {
  const name = x1 ? "x1" : "v1";
  Deno.test(`property, ${name}: after any mishaps all paths are trusted, and nothing is lost`, () => {
    const scheduler = fc.constantFrom(...SCHEDULERS);
    const mishaps = fc.array(MISHAP, { maxLength: 25 });
    const property = fc.property(scheduler, mishaps, fc.nat(), (scheduler, mishaps, seed) => {
      using network = new VirtualNetwork({ delaysMs: DELAYS_MS, x1, scheduler, seed });
      const traffic = new Traffic(network, { everyMs: 100, flows: FLOWS });
      for (const [nth, { link, happen, afterMs }] of mishaps.entries()) {
        happen(network, link, nth);
        network.run(afterMs);
      }
      for (const index of network.links.keys()) {
        linkWorks(network, index);
        heal(network, index);
      }
      network.run(CALM_MS);
      const from = traffic.count;
      network.run(2000);
      traffic.stop();
      network.run(1000);
      for (const peer of bothOf(network)) {
        const late = peer.received.filter(({ number }) => number >= from);
        const got = new Set(late.map(({ flow, number }) => `${flow}:${number}`));
        equal(got.size, FLOWS * (traffic.count - from), peer.session.role);
        equal(peer.drops.get("not authentic"), 0);
        // A v1 server also has the paths of addresses that are no more.
        if (peer === network.server && !x1) continue;
        for (const { liveness, eligibility } of peer.session.paths) {
          deepEqual([liveness.state, eligibility.reason], ["up", null]);
        }
      }
    });
    fc.assert(property, { numRuns: 25 });
  });
}
