import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { DEFAULT_SETTINGS, type DirectionSettings, LinkDirection } from "./link_model.ts";

const SLOTS = 256;

interface Delivery {
  packet: number;
  atMs: number;
}

/** Offers packets at their times, is polled at every timeout, and tells what came out when. */
function carry(
  direction: LinkDirection,
  offers: { atMs: number; bytes: number }[],
): { deliveries: Delivery[]; acceptedPackets: Set<number> } {
  const packetInSlot = new Map<number, number>();
  const deliveries: Delivery[] = [];
  const acceptedPackets = new Set<number>();
  const drainUntil = (untilMs: number) => {
    for (let atMs = direction.nextTimeoutMs(); atMs <= untilMs; atMs = direction.nextTimeoutMs()) {
      if (atMs === Infinity) return;
      for (let slot = direction.pollDue(atMs); slot >= 0; slot = direction.pollDue(atMs)) {
        deliveries.push({ packet: packetInSlot.get(slot)!, atMs });
      }
    }
  };
  offers.forEach(({ atMs, bytes }, packet) => {
    drainUntil(atMs);
    const slot = direction.nextSlot;
    if (direction.accept(bytes, atMs) !== null) return;
    packetInSlot.set(slot, packet);
    acceptedPackets.add(packet);
  });
  drainUntil(Infinity);
  return { deliveries, acceptedPackets };
}

function direction(settings: Partial<DirectionSettings>, seed = 1): LinkDirection {
  return new LinkDirection({ ...DEFAULT_SETTINGS, ...settings }, SLOTS, seed);
}

const arbitraryOffers = fc.array(
  fc.record({
    gapMs: fc.double({ min: 0, max: 5, noNaN: true }),
    bytes: fc.integer({ min: 20, max: 1500 }),
  }),
  { maxLength: 300 },
).map((gaps) => {
  let atMs = 0;
  return gaps.map(({ gapMs, bytes }) => ({ atMs: atMs += gapMs, bytes }));
});

const arbitrarySettings = fc.record({
  rateMbit: fc.double({ min: 0.5, max: 200, noNaN: true }),
  delayMs: fc.double({ min: 0, max: 50, noNaN: true }),
  jitterMs: fc.double({ min: 0, max: 20, noNaN: true }),
  lossRate: fc.constantFrom(0, 0, 0.1, 1),
  duplicateRate: fc.constantFrom(0, 0, 0.3, 1),
  mtuBytes: fc.constantFrom(null, null, 1000),
  queueMs: fc.double({ min: 0, max: 100, noNaN: true }),
  queueBytes: fc.constantFrom(null, 3000, 30_000),
  reorder: fc.boolean(),
});

Deno.test("a packet takes its transmission time and the delay", () => {
  const { deliveries } = carry(direction({ rateMbit: 8, delayMs: 10 }), [
    { atMs: 0, bytes: 1000 },
    { atMs: 0, bytes: 500 },
    { atMs: 20, bytes: 1000 },
  ]);
  deepEqual(deliveries, [
    { packet: 0, atMs: 11 },
    { packet: 1, atMs: 11.5 },
    { packet: 2, atMs: 31 },
  ]);
});

Deno.test("a poll that comes late does not slow the link down", () => {
  const link = direction({ rateMbit: 8, delayMs: 0 });
  for (let i = 0; i < 10; i++) link.accept(1000, 0);
  let delivered = 0;
  while (link.pollDue(10) >= 0) delivered++;
  equal(delivered, 10);
});

Deno.test("whatever the settings: the rate holds, the delay holds, nothing is lost unseen", () => {
  fc.assert(
    fc.property(arbitrarySettings, arbitraryOffers, fc.integer(), (settings, offers, seed) => {
      const link = direction(settings, seed);
      const { deliveries, acceptedPackets } = carry(link, offers);
      const { counters } = link;

      equal(deliveries.length, counters.deliveredPackets);
      const distinct = counters.deliveredPackets - counters.duplicatedPackets;
      equal(acceptedPackets.size, distinct + counters.dropped.lost);
      equal(new Set(deliveries.map(({ packet }) => packet)).size, distinct);
      const tooLarge = offers.filter(({ bytes }) => bytes > (settings.mtuBytes ?? Infinity));
      equal(counters.dropped["too large"], tooLarge.length);
      equal(
        offers.length,
        acceptedPackets.size + counters.dropped["queue full"] + tooLarge.length,
      );
      equal(link.queuedBytes, 0);

      const bytesPerMs = settings.rateMbit * 1000 / 8;
      const shortestMs = Math.max(0, settings.delayMs - settings.jitterMs);
      const copies = new Map<number, number>();
      const bytesSeen = new Map<number, number>();
      let lastMs = -1;
      for (const { packet, atMs } of deliveries) {
        const offer = offers[packet]!;
        ok(atMs + 1e-6 >= offer.atMs + offer.bytes / bytesPerMs + shortestMs, "too early");
        ok(atMs >= lastMs, "time went backwards");
        const count = (copies.get(packet) ?? 0) + 1;
        ok(acceptedPackets.has(packet), "never accepted");
        ok(count <= (settings.duplicateRate > 0 ? 2 : 1), "delivered too often");
        if (!settings.reorder) ok(packet >= Math.max(0, ...copies.keys()), "out of order");
        copies.set(packet, count);
        bytesSeen.set(packet, offer.bytes);
        lastMs = atMs;
      }

      const first = deliveries[0];
      if (first && settings.jitterMs === 0) {
        const bytes = bytesSeen.values().reduce((sum, bytes) => sum + bytes, 0);
        ok(bytes <= (lastMs - first.atMs) * bytesPerMs + offers[first.packet]!.bytes + 1e-6);
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("the queue never holds more than its limit, and one packet always", () => {
  fc.assert(fc.property(arbitrarySettings, arbitraryOffers, (settings, offers) => {
    const link = direction(settings);
    const limit = Math.min(
      settings.queueMs * settings.rateMbit * 1000 / 8,
      settings.queueBytes ?? Infinity,
    );
    for (const { atMs, bytes } of offers) {
      while (link.pollDue(atMs) >= 0);
      link.accept(bytes, atMs);
      ok(link.queuedBytes <= Math.max(1504, limit));
    }
    const idle = direction({ ...settings, mtuBytes: null });
    equal(idle.accept(1504, 0), null);
  }));
});

Deno.test("loss comes near its probability and repeats with the same seed", () => {
  const offers = Array.from({ length: 20_000 }, (_, i) => ({ atMs: i, bytes: 100 }));
  const run = (seed: number) => carry(direction({ lossRate: 0.05 }, seed), offers).deliveries;
  const lost = offers.length - run(7).length;
  ok(Math.abs(lost - 1000) < 150, `${lost} of 20000 lost`);
  deepEqual(run(7), run(7));
  ok(run(7).length !== run(8).length);
});

Deno.test("as many packets arrive twice as told, and the copies cost no rate", () => {
  const offers = Array.from({ length: 10_000 }, (_, i) => ({ atMs: i, bytes: 1000 }));
  for (const reorder of [false, true]) {
    const link = direction({ rateMbit: 8.1, duplicateRate: 0.1, jitterMs: 5, delayMs: 5, reorder });
    const { deliveries } = carry(link, offers);
    const copies = deliveries.length - offers.length;
    equal(copies, link.counters.duplicatedPackets);
    ok(Math.abs(copies - 1000) < 150, `${copies} of 10000 twice`);
    equal(link.counters.dropped["queue full"], 0);
  }
});

Deno.test("a copy that is still to come is gone when the link is cut", () => {
  const link = direction({ duplicateRate: 1, delayMs: 10, jitterMs: 10, reorder: true });
  for (let i = 0; i < 50; i++) link.accept(100, 0);
  let due = 0;
  while (link.pollDue(10) >= 0) due++;
  ok(due > 0 && due < 100);
  link.change({ cut: true }, 10);
  equal(link.pollDue(100), -1);
  link.change({ cut: false, duplicateRate: 0, jitterMs: 0 }, 100);
  for (let i = 0; i < SLOTS - 1; i++) equal(link.accept(1, 100), null);
});

Deno.test("what is larger than the MTU vanishes, from the moment that is set", () => {
  const link = direction({});
  equal(link.accept(1500, 0), null);
  link.change({ mtuBytes: 1400 }, 1);
  equal(link.accept(1401, 1), "too large");
  equal(link.accept(1400, 1), null);
  link.change({ mtuBytes: null }, 2);
  equal(link.accept(1500, 2), null);
  let due = 0;
  while (link.pollDue(100) >= 0) due++;
  equal(due, 3);
  equal(link.counters.dropped["too large"], 1);
});

Deno.test("with reorder, jitter overtakes; without, it does not", () => {
  const offers = Array.from({ length: 200 }, (_, i) => ({ atMs: i, bytes: 100 }));
  const order = (reorder: boolean) =>
    carry(direction({ delayMs: 20, jitterMs: 10, reorder }), offers).deliveries
      .map(({ packet }) => packet);
  deepEqual(order(false), offers.map((_, packet) => packet));
  deepEqual(order(true).toSorted((a, b) => a - b), order(false));
  ok(order(true).some((packet, i) => packet !== i));
});

Deno.test("a new rate and delay apply to what has not been transmitted", () => {
  const link = direction({ rateMbit: 8, delayMs: 10 });
  link.accept(1000, 0);
  link.accept(1000, 0);
  equal(link.pollDue(0.5), -1);
  link.change({ rateMbit: 80, delayMs: 20 }, 0.5);
  const dueAtMs: number[] = [];
  for (let ms = 0; ms < 40; ms += 0.1) while (link.pollDue(ms) >= 0) dueAtMs.push(Math.round(ms));
  deepEqual(dueAtMs, [11, 21]);
});

Deno.test("a cut link swallows what comes and what was on the way, then works again", () => {
  const link = direction({ rateMbit: 8, delayMs: 10 });
  for (let i = 0; i < 5; i++) link.accept(1000, 0);
  link.change({ cut: true }, 2.5);
  equal(link.accept(1000, 3), "cut");
  equal(link.nextTimeoutMs(), Infinity);
  equal(link.pollDue(100), -1);
  link.change({ cut: false }, 100);
  equal(link.accept(1000, 100), null);
  equal(link.pollDue(110.9), -1);
  ok(link.pollDue(111) >= 0);
  equal(link.counters.dropped.cut, 6);
});

Deno.test("packets beyond the slots are dropped, and slots come back", () => {
  const link = new LinkDirection({ ...DEFAULT_SETTINGS, delayMs: 10, rateMbit: 1000 }, 4, 1);
  const results = [0, 1, 2, 3].map(() => link.accept(100, 0));
  deepEqual(results, [null, null, null, "no slot"]);
  let due = 0;
  while (link.pollDue(20) >= 0) due++;
  equal(due, 3);
  equal(link.accept(100, 20), null);
});

Deno.test("a rate of zero is refused", () => {
  throws(() => direction({ rateMbit: 0 }), RangeError);
  throws(() => direction({}).change({ rateMbit: NaN }, 0), RangeError);
});
