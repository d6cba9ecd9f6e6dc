import { deepEqual, equal } from "node:assert/strict";
import { fullText, isUp, linksOf, volumeText } from "./lanes.js";

const COUNTERS = {
  ...{ receivedBytes: 5, sentBytes: 6, receivedBytesPerSecond: 1, sentBytesPerSecond: 2 },
};
const HEALTHY = { problem: null, state: "healthy", rttMs: 21, jitterMs: 3, loss: 0.01 };

function uplink(families: Record<number, unknown>) {
  const status = {
    mode: "load-balance",
    balance: { uplinks: [{ name: "dsl", families, ...COUNTERS }] },
  };
  const { traffic: _, ...lane } = linksOf(status)[0];
  return lane;
}

Deno.test("an uplink of load balancing is a lane with its health and figures", () => {
  deepEqual(uplink({ 4: HEALTHY, 6: null }), {
    ...{ name: "dsl", level: "good", state: "healthy", why: "" },
    ...{ rttMs: 21, jitterMs: 3, loss: 0.01 },
  });
  const failing = { ...HEALTHY, state: "failing", problem: "no answer from 1.1.1.1" };
  const lane = uplink({ 4: failing, 6: HEALTHY });
  deepEqual([lane.level, lane.state, lane.why], ["bad", "failing", "no answer from 1.1.1.1"]);
  equal(uplink({ 4: null, 6: HEALTHY }).level, "good");
  deepEqual(uplink({ 4: null, 6: null }), {
    ...{ name: "dsl", level: "bad", state: "left alone", why: "" },
    ...{ rttMs: undefined, jitterMs: undefined, loss: undefined },
  });
});

Deno.test("a link of bonding has the volume that counts against its cap", () => {
  const bond = (rule: unknown) => ({
    mode: "bonding",
    bond: {
      links: [{ name: "lte", problem: "has no carrier", traffic: COUNTERS, rule }],
      session: null,
    },
  });
  const volume = { month: "2026-11", bytes: 2e9, capBytes: 5e9 };
  const [metered] = linksOf(bond({ use: "metered", volume }));
  deepEqual([metered.level, metered.why], ["bad", "has no carrier"]);
  equal(volumeText(7e9, metered), "2.0 GB of 5.0 GB");
  const [free] = linksOf(bond({ use: "always", volume: null }));
  equal(volumeText(7e9, free), "7.0 GB");
  equal(volumeText(undefined, free), "–");
  const [counted] = linksOf(bond({ use: "metered", volume: { ...volume, capBytes: null } }));
  equal(volumeText(7e9, counted), "2.0 GB");
  const [used] = linksOf(bond({ use: "metered", volume: { ...volume, bytes: 5e9 } }));
  equal(volumeText(undefined, used), "5.0 GB of 5.0 GB, used up");
});

Deno.test("a link whose data goes inside TLS says why", () => {
  const link = {
    ...{ name: "lte", problem: null, traffic: COUNTERS, rule: { use: "always", volume: null } },
    ...{ transport: "tls", transportReason: "UDP gets no answer" },
  };
  const session = { paths: [{ name: "lte", state: "up", isGood: true }] };
  const [lane] = linksOf({ mode: "bonding", bond: { links: [link], session } });
  deepEqual([lane.state, lane.why], ["up", "inside TLS: UDP gets no answer"]);
});

Deno.test("only a link that carries counts as up", () => {
  const link = {
    ...{ name: "lte", problem: null, traffic: COUNTERS, rule: { use: "always", volume: null } },
    ...{ transport: "udp", transportReason: null },
  };
  const isCounted = (path: unknown) => {
    const session = { paths: path === null ? [] : [{ name: "lte", ...path }] };
    return isUp(linksOf({ mode: "bonding", bond: { links: [link], session } })[0]);
  };
  equal(isCounted({ state: "up", isGood: true }), true);
  equal(isCounted({ state: "up", isGood: false, isBadFor: "loss" }), true);
  for (const state of ["probing", "suspect", "down"]) equal(isCounted({ state }), false, state);
  equal(isCounted(null), false);
});

Deno.test("what a link takes when full is never less than what it carries, and of each way", () => {
  const fullOf = (path: unknown, traffic = {}) => {
    const link = {
      ...{ name: "dsl", problem: null, traffic: { ...COUNTERS, ...traffic } },
      ...{ rule: { use: "always", volume: null }, transport: "udp", transportReason: null },
    };
    const session = { paths: [{ name: "dsl", state: "up", isGood: true, ...path as object }] };
    return fullText(linksOf({ mode: "bonding", bond: { links: [link], session } })[0].full);
  };
  const known = { peerCapacity: 6_250_000, capacity: 1_250_000, deliveryRate: 125_000 };
  equal(fullOf(known), "50 Mbit/s down, 10 Mbit/s up");
  const traffic = { receivedBytesPerSecond: 7_500_000, sentBytesPerSecond: 2_500_000 };
  equal(fullOf(known, traffic), "60 Mbit/s down, 20 Mbit/s up");
  const upAlone = { peerCapacity: null, capacity: null, deliveryRate: 125_000 };
  equal(fullOf(upAlone, { receivedBytesPerSecond: 5_750_000 }), "1.0 Mbit/s up");
  equal(fullOf({ peerCapacity: null, capacity: null, deliveryRate: null }, traffic), "–");
});
