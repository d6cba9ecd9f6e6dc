import { deepEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { tunnelOverheadBytes } from "../packet/tunnel_overhead.ts";
import {
  MTU_CONFIRM_EVERY_MS,
  MTU_PROBES_MAX,
  MTU_RAISE_EVERY_MS,
  MTU_RAISE_FIRST_MS,
  MtuSearch,
} from "./mtu_search.ts";
import { assertFound, Laboratory, OVERHEAD, type Path } from "./test_mtu_laboratory.ts";

const arbitraryMtu = fc.integer({ min: 576, max: 1400 });
const arbitraryRtt = fc.integer({ min: 0, max: 400 });

Deno.test("a path that carries what is wanted costs one probe and one round trip", () => {
  const lab = new Laboratory({ mtu: 1400, rttMs: 40 });
  equal(lab.search.mtu, null);
  equal(lab.finish(), 40);
  equal(lab.search.mtu, 1400);
  equal(lab.search.wasBlackhole, false);
  deepEqual(lab.sent, [{ size: 1400, atMs: 0 }]);
  equal(lab.search.nextDeadline(), Infinity);
});

Deno.test("a black hole is found within 3 s over 100 ms, whatever its size", () => {
  for (let mtu = 576; mtu < 1400; mtu++) {
    const lab = new Laboratory({ mtu, rttMs: 100 });
    const tookMs = lab.finish();
    ok(tookMs < 3000, `${mtu}: after ${tookMs} ms`);
    assertFound(lab.search.mtu, mtu);
    ok(lab.search.wasBlackhole);
    ok(lab.sent.length <= 40, `${mtu}: ${lab.sent.length} probes`);
  }
});

Deno.test("a black hole below a jumbo frame is found within 3 s as well", () => {
  for (let mtu = 1000; mtu < 8900; mtu += 37) {
    const lab = new Laboratory({ mtu, rttMs: 100 }, 8900);
    const tookMs = lab.finish();
    ok(tookMs <= 3000, `${mtu}: after ${tookMs} ms`);
    assertFound(lab.search.mtu, mtu);
  }
});

Deno.test("the sizes of links as they are, are found to the byte", () => {
  for (const family of [4, 6] as const) {
    const overhead = tunnelOverheadBytes(family);
    for (const link of [1280, 1400, 1420, 1460, 1472, 1480, 1492]) {
      const lab = new Laboratory({ mtu: link - overhead, rttMs: 30 }, 1500 - overhead, 1, overhead);
      lab.finish();
      equal(lab.search.mtu, link - overhead);
    }
  }
});

Deno.test("the limit is found within 8 bytes for every size and round trip", () => {
  const limit = fc.constantFrom("silent" as const, "told" as const);
  fc.assert(fc.property(arbitraryMtu, arbitraryRtt, limit, (mtu, rttMs, limit) => {
    const lab = new Laboratory({ mtu, rttMs, limit });
    lab.finish();
    assertFound(lab.search.mtu, mtu);
    equal(lab.search.wasBlackhole, mtu < 1400 && limit === "silent");
    ok(lab.sent.length <= MTU_PROBES_MAX);
  }));
});

Deno.test("loss of 5 % in each direction is not taken for a limit", () => {
  for (let seed = 1; seed <= 400; seed++) {
    const mtu = seed % 4 === 0 ? 1400 : 576 + (seed * 97) % 825;
    const lab = new Laboratory({ mtu, rttMs: 50, lossRate: 0.05 }, 1400, seed);
    lab.finish();
    assertFound(lab.search.mtu, mtu, `seed ${seed}`);
    ok(lab.sent.length <= MTU_PROBES_MAX, `seed ${seed}`);
  }
});

Deno.test("loss of 30 % in each direction lowers a good path rarely, and not for long", () => {
  const seeds = 40;
  const runMs = 600_000;
  const stepMs = 500;
  let lowMs = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const lab = new Laboratory({ mtu: 1400, rttMs: 50, lossRate: 0.3 }, 1400, seed);
    let lowSinceMs: number | null = null;
    for (let now = stepMs; now < runMs; now += stepMs) {
      lab.search.trafficSeen();
      // Its owner may well take so much loss for packets that vanish.
      if (now % 2000 === 0) lab.search.suspectBlackhole();
      lab.run(now);
      if (lab.search.mtu === 1400) {
        lowSinceMs = null;
        continue;
      }
      lowSinceMs ??= now;
      lowMs += stepMs;
      ok(now - lowSinceMs <= 60_000, `seed ${seed}: low for more than a minute`);
    }
  }
  ok(lowMs < 0.05 * seeds * runMs, `low for ${lowMs} ms of ${seeds * runMs}`);
});

Deno.test("what never answers is not taken for a narrow path, and is asked less and less", () => {
  const lab = new Laboratory({ mtu: 0, rttMs: 50 });
  lab.run(10_000, () => lab.search.state === "disabled");
  equal(lab.search.state, "disabled");
  equal(lab.search.mtu, null);
  lab.run(24 * 3_600_000);
  const hours = 24;
  ok(lab.sent.length < hours * 6 * 60, `${lab.sent.length} probes in a day`);
});

Deno.test("a path that is away in the middle of a search is not taken for a narrow one", () => {
  for (let awayMs = 0; awayMs < 1500; awayMs += 10) {
    const path: Path = { mtu: 1400, rttMs: 100 };
    const lab = new Laboratory(path, 1500 - OVERHEAD);
    lab.run(awayMs);
    path.mtu = 0;
    lab.run(awayMs + 800);
    path.mtu = 1400;
    lab.finish();
    assertFound(lab.search.mtu, 1400, `away after ${awayMs} ms`);
  }
});

Deno.test("a path the kernel refuses everything for has no size", () => {
  const lab = new Laboratory({ mtu: 100, rttMs: 20, limit: "told" });
  lab.run(1000, () => lab.search.state === "disabled");
  equal(lab.search.state, "disabled");
  equal(lab.search.mtu, null);
  ok(lab.sent.length < 20);
});

Deno.test("a size is confirmed while there is traffic, and only then", () => {
  const lab = new Laboratory({ mtu: 1400, rttMs: 40 });
  lab.finish();
  lab.run(100_000);
  equal(lab.sent.length, 1);
  for (let i = 1; i <= 5; i++) {
    lab.search.trafficSeen();
    lab.run(100_000 + i * 2 * MTU_CONFIRM_EVERY_MS);
    equal(lab.sent.length, 1 + i);
    equal(lab.search.state, "done");
  }
});

for (const limit of ["silent", "told"] as const) {
  Deno.test(`a path that shrinks under traffic is noticed by confirming (${limit})`, () => {
    for (let mtu = 600; mtu < 1392; mtu += 13) {
      const path: Path = { mtu: 1400, rttMs: 100, limit };
      const lab = new Laboratory(path);
      lab.finish();
      lab.search.trafficSeen();
      lab.run(5000);
      path.mtu = mtu;
      lab.search.trafficSeen();
      const isLower = () => lab.search.state === "done" && lab.search.mtu! < 1400;
      lab.run(5000 + MTU_CONFIRM_EVERY_MS + 3000, isLower);
      assertFound(lab.search.mtu, mtu);
      equal(lab.search.wasBlackhole, limit === "silent");
    }
  });
}

Deno.test("what the owner suspects is known within 3 s, and the size stays until then", () => {
  const path: Path = { mtu: 1400, rttMs: 100 };
  const lab = new Laboratory(path);
  lab.finish();
  path.mtu = 1234;
  lab.search.suspectBlackhole();
  equal(lab.search.state, "searching");
  equal(lab.search.mtu, 1400);
  ok(lab.finish() < 3000);
  assertFound(lab.search.mtu, 1234);
  ok(lab.search.wasBlackhole);
});

Deno.test("a suspicion that is wrong changes nothing", () => {
  const lab = new Laboratory({ mtu: 1400, rttMs: 100 });
  lab.finish();
  lab.search.suspectBlackhole();
  lab.finish();
  equal(lab.search.mtu, 1400);
  equal(lab.search.wasBlackhole, false);
});

Deno.test("a report of the kernel lowers the size that is in use, one of larger ones does not", () => {
  const path: Path = { mtu: 1400, rttMs: 50, limit: "told" };
  const lab = new Laboratory(path);
  lab.finish();
  lab.search.tooBig(1500);
  equal(lab.search.state, "done");
  path.mtu = 1350;
  lab.search.tooBig(1390);
  lab.finish();
  assertFound(lab.search.mtu, 1350);
  equal(lab.search.wasBlackhole, false);
});

Deno.test("a path that grows is noticed in time, or at once after a reset", () => {
  const path: Path = { mtu: 1300, rttMs: 20, limit: "told" };
  const lab = new Laboratory(path);
  lab.finish();
  path.mtu = 1400;
  lab.run(lab.nowMs + MTU_RAISE_FIRST_MS - 1);
  assertFound(lab.search.mtu, 1300);
  lab.run(lab.nowMs + 21);
  equal(lab.search.mtu, 1400);
  equal(lab.search.wasBlackhole, false);

  lab.search.reset();
  equal(lab.search.mtu, null);
  equal(lab.finish(), 20);
  equal(lab.search.mtu, 1400);
});

for (const limit of ["silent", "told"] as const) {
  Deno.test(`a larger size is tried soon, and then less and less often (${limit})`, () => {
    const path: Path = { mtu: 1300, rttMs: 20, ...(limit === "silent" ? {} : { limit }) };
    const lab = new Laboratory(path);
    lab.finish();
    equal(lab.search.wasBlackhole, limit === "silent");
    for (let waitMs = MTU_RAISE_FIRST_MS; waitMs < MTU_RAISE_EVERY_MS; waitMs *= 2) {
      const before = lab.sent.length;
      const doneMs = lab.nowMs;
      lab.run(doneMs + waitMs - 1);
      equal(lab.sent.length, before);
      lab.run(doneMs + waitMs);
      ok(lab.sent.length > before, `after ${waitMs} ms`);
      lab.finish();
    }
    path.mtu = 1400;
    lab.run(lab.nowMs + MTU_RAISE_EVERY_MS + 20);
    equal(lab.search.mtu, 1400);
  });
}

Deno.test("attempts to raise go on while there is traffic, and cost little", () => {
  const lab = new Laboratory({ mtu: 1300, rttMs: 20 });
  lab.finish();
  const before = lab.sent.length;
  for (let i = 0; i < 600; i++) {
    lab.search.trafficSeen();
    lab.run(lab.nowMs + 10_000);
    assertFound(lab.search.mtu, 1300);
  }
  const raised = lab.sent.filter(({ size }) => size === 1400).length;
  ok(raised >= 14 && raised <= 35, `${raised} probes of it in 6000 s`);
  ok(lab.sent.length - before < 600 + 15 * 25, `${lab.sent.length} probes`);
});

Deno.test("a larger size that is wanted later is looked for at once, and what is known stays", () => {
  for (const mtu of [1408, 1414, 1418, 1430]) {
    const lab = new Laboratory({ mtu, rttMs: 200 }, 1408);
    lab.finish();
    equal(lab.search.mtu, 1408);
    lab.search.raise(1418);
    lab.run(lab.nowMs + 1);
    equal(lab.search.state, "searching");
    lab.run(lab.nowMs + 60_000, () => {
      ok(lab.search.mtu! >= 1408, `${lab.search.mtu}`);
      return lab.search.state === "done";
    });
    assertFound(lab.search.mtu, Math.min(mtu, 1418));
    lab.search.raise(1400);
    equal(lab.search.ceiling, 1418);
  }
  const lab = new Laboratory({ mtu: 1414, rttMs: 200 }, 1408);
  lab.search.raise(1418);
  lab.run(60_000);
  assertFound(lab.search.mtu, 1414, "raised in the middle of a search");
});

Deno.test("answers that are later than their time still count", () => {
  // The owner thinks the round trip is short; it is not.
  const search = new MtuSearch({ ceiling: 1400, overheadBytes: OVERHEAD });
  const inFlight: { size: number; atMs: number }[] = [];
  for (let nowMs = 0; nowMs < 20_000; nowMs += 10) {
    for (let size = search.nextProbe(nowMs, 10); size > 0; size = search.nextProbe(nowMs, 10)) {
      inFlight.push({ size, atMs: nowMs + 700 });
    }
    while (inFlight[0] && inFlight[0].atMs <= nowMs) {
      search.acknowledged(inFlight.shift()!.size, nowMs);
    }
  }
  equal(search.mtu, 1400);
  equal(search.state, "done");
});

Deno.test("answers to what was not sent are ignored", () => {
  const search = new MtuSearch({ ceiling: 1400, overheadBytes: OVERHEAD });
  search.acknowledged(1400, 0);
  equal(search.mtu, null);
  equal(search.nextProbe(0, 10), 1400);
  search.acknowledged(1401, 1);
  equal(search.mtu, null);
  search.acknowledged(1400, 1);
  equal(search.mtu, 1400);
});

Deno.test("random calls never break its promises", () => {
  const command = fc.oneof(
    fc.record({ kind: fc.constant("ack" as const), size: fc.integer({ min: 1, max: 1600 }) }),
    fc.record({
      kind: fc.constant("too big" as const),
      size: fc.integer({ min: 1, max: 1600 }),
    }),
    fc.record({ kind: fc.constantFrom("suspect", "traffic", "reset") }),
    fc.record({ kind: fc.constant("wait" as const), ms: fc.nat({ max: 700_000 }) }),
  );
  fc.assert(fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
    const search = new MtuSearch({ ceiling: 1400, overheadBytes: OVERHEAD });
    let now = 0;
    for (const command of commands) {
      if (command.kind === "ack" && "size" in command) search.acknowledged(command.size, now);
      else if (command.kind === "too big" && "size" in command) search.tooBig(command.size);
      else if (command.kind === "suspect") search.suspectBlackhole();
      else if (command.kind === "traffic") search.trafficSeen();
      else if (command.kind === "reset") search.reset();
      else if ("ms" in command) now += command.ms;
      for (let count = 0;; count++) {
        const size = search.nextProbe(now, 20);
        if (size === 0) break;
        ok(size >= 576 && size <= 1400);
        ok(count < MTU_PROBES_MAX, "it never stops sending");
      }
      ok(search.mtu === null || search.mtu <= 1400);
      ok(search.nextDeadline() > now);
    }
  }));
});

Deno.test("sizes that are none are refused", () => {
  const refused = (ceiling: number) =>
    throws(() => new MtuSearch({ ceiling, overheadBytes: OVERHEAD }), RangeError);
  refused(575);
  refused(65_536);
  refused(1400.5);
  refused(NaN);
});
