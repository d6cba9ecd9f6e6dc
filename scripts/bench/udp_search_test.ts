import { equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import type { UdpResult } from "./iperf.ts";
import { UdpSearch } from "./udp_search.ts";

/** A tunnel that carries `limit` packets a second and drops the rest. */
function outcome(rate: number, limit: number, senderLimit = Infinity): UdpResult {
  const sentPerSecond = Math.min(rate, senderLimit);
  const receivedPerSecond = Math.min(sentPerSecond, limit);
  return { sentPerSecond, receivedPerSecond, loss: 1 - receivedPerSecond / sentPerSecond };
}

const NOTHING: UdpResult = { sentPerSecond: 1, receivedPerSecond: 0, loss: 1 };

Deno.test("the search comes close to the limit of any tunnel, and never above", () => {
  fc.assert(fc.property(fc.integer({ min: 200, max: 2_000_000 }), (limit) => {
    const search = new UdpSearch({ trialsMax: 30, attemptsPerRate: 1 });
    for (let rate = search.rate; rate !== null; rate = search.rate) {
      search.report(outcome(rate, limit));
    }
    const best = search.best ?? 0;
    ok(best <= limit && best >= limit * 0.9, `${best} of ${limit}`);
  }));
});

Deno.test("the search ends within its trials, whatever happens", () => {
  const limits = fc.record({
    trialsMax: fc.integer({ min: 1, max: 12 }),
    attemptsPerRate: fc.integer({ min: 1, max: 3 }),
  });
  fc.assert(fc.property(limits, fc.infiniteStream(fc.boolean()), (limits, passes) => {
    const search = new UdpSearch(limits);
    let trials = 0;
    for (const pass of passes) {
      const { rate } = search;
      if (rate === null) break;
      ok(Number.isFinite(rate) && rate > 0, `rate ${rate}`);
      search.report(outcome(rate, pass ? rate : rate / 2));
      trials++;
    }
    ok(trials <= limits.trialsMax);
  }));
});

Deno.test("a rate that failed once may pass at the second attempt", () => {
  const search = new UdpSearch({ trialsMax: 4, attemptsPerRate: 2 });
  const first = search.rate!;
  search.report(NOTHING);
  equal(search.rate, first);
  search.report(outcome(first, first));
  equal(search.best, first);
  equal(search.rate, 2 * first);
});

Deno.test("a sender at its own limit ends the doubling", () => {
  const search = new UdpSearch({ trialsMax: 20, attemptsPerRate: 1 });
  let highest = 0;
  for (let rate = search.rate; rate !== null; rate = search.rate) {
    highest = Math.max(highest, rate);
    search.report(outcome(rate, Infinity, 100_000));
  }
  ok(highest <= 200_000);
  equal(search.best, 100_000);
});

Deno.test("a dead tunnel has no rate, and a search that is over takes no more", () => {
  const search = new UdpSearch({ trialsMax: 50, attemptsPerRate: 1 });
  while (search.rate !== null) search.report(NOTHING);
  equal(search.best, null);
  throws(() => search.report(NOTHING), /over/);
});
