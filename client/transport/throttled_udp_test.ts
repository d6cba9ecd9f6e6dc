import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import {
  type Arriving,
  type Carried,
  HOLD_FIRST_MS,
  LOADED_RATE,
  type ThrottleVerdict,
  ThrottleWatch,
} from "./throttled_udp.ts";

const MBIT = 125_000;
const HOUR_S = 3600;
const NOTHING: Arriving = { rate: 0, loss: 0, isQueued: false };
const IDLE: Carried = { up: NOTHING, down: NOTHING };

function downOf(rate: number, loss = 0, isQueued = false): Carried {
  return { up: { ...NOTHING, rate: rate / 50 }, down: { rate, loss, isQueued } };
}

/** What the network does in one second: bytes a second at most. */
interface Weather {
  readonly demand: number;
  readonly link: number;
  /** Of UDP alone; Infinity: it is let pass. */
  readonly policer: number;
}

/** A link, second by second: what carries gets what there is, and loses the more of what is too much. */
class Model {
  readonly watch = new ThrottleWatch();
  readonly verdicts: { kind: ThrottleVerdict["kind"]; second: number }[] = [];
  readonly #random: () => number;
  #isTlsUp = false;
  #second = 0;

  constructor(random: () => number = () => 0.5) {
    this.#random = random;
  }

  run(seconds: number, { demand, link, policer }: Weather): this {
    for (let left = seconds; left > 0; left--, this.#second++) {
      const { watch } = this;
      const isByTls = watch.heldBack === "udp";
      const room = isByTls ? link : Math.min(link, policer);
      const noise = 0.9 + 0.2 * this.#random();
      const isFull = demand > room;
      const loss = isFull ? 0.5 * this.#random() : 0;
      // Whether a queue is seen is chance: some networks have none, and bursts fill any.
      const arriving = downOf(Math.min(demand, room) * noise, loss, this.#random() > 0.8);
      const isTlsUp = this.#isTlsUp && watch.wantsTls;
      this.#isTlsUp = watch.wantsTls;
      const verdict = watch.look(
        isByTls ? IDLE : arriving,
        isTlsUp ? (isByTls ? arriving : IDLE) : null,
        this.#second * 1000,
      );
      if (verdict !== null) this.verdicts.push({ kind: verdict.kind, second: this.#second });
    }
    return this;
  }

  count(kind: ThrottleVerdict["kind"]): number {
    return this.verdicts.filter((one) => one.kind === kind).length;
  }
}

const POLICED = { demand: 50 * MBIT, link: 50 * MBIT, policer: MBIT };
const OPEN = { ...POLICED, policer: Infinity };

Deno.test("UDP that is policed is left for TLS within ten seconds, and taken again when it is not", () => {
  const model = new Model().run(10, POLICED);
  deepEqual(model.verdicts.map(({ kind }) => kind), ["tries TLS", "to TLS"]);
  equal(model.watch.isThrottled, true);
  model.run(HOLD_FIRST_MS / 1000 + 10, OPEN);
  deepEqual(model.verdicts.slice(2).map(({ kind }) => kind), ["tries UDP", "to UDP"]);
  equal(model.watch.wantsTls, false);
});

Deno.test("a link that is merely full stays by UDP, and is looked at less and less often", () => {
  const model = new Model().run(HOUR_S, { ...OPEN, demand: 80 * MBIT });
  equal(model.count("to TLS"), 0);
  deepEqual(model.verdicts.at(-1)?.kind, "stays by UDP");
  ok(model.count("tries TLS") <= 8, `${model.count("tries TLS")} trials`);
});

Deno.test("UDP that stays slowed down is tried less and less often", () => {
  const model = new Model().run(HOUR_S, POLICED);
  equal(model.count("to TLS"), 1);
  equal(model.count("to UDP"), 0);
  ok(model.count("tries UDP") <= 8, `${model.count("tries UDP")} trials`);
});

Deno.test("what loses packets and is asked for little is left alone", () => {
  const watch = new ThrottleWatch();
  for (let second = 0; second < 60; second++) {
    equal(watch.look(downOf(LOADED_RATE / 3, 0.5), null, second * 1000), null);
  }
});

Deno.test("a moment of loss is no throttling", () => {
  const watch = new ThrottleWatch();
  for (let second = 0; second < 60; second++) {
    const loss = second % 5 < 2 ? 0.2 : 0;
    equal(watch.look(downOf(MBIT, loss), null, second * 1000), null);
  }
});

Deno.test("loss beside a filled queue, as of a link that is merely full, is doubted later", () => {
  const trialAfter = (isQueued: boolean) => {
    const watch = new ThrottleWatch();
    for (let second = 0;; second++) {
      if (watch.look(downOf(MBIT, 0.2, isQueued), null, second * 1000) !== null) return second;
    }
  };
  deepEqual([trialAfter(false), trialAfter(true)], [2, 11]);
});

Deno.test("a trial waits for load, and without any nothing changes", () => {
  const model = new Model();
  let last = 0;
  for (let second = 0; second < 60; second++) {
    const { watch } = model;
    const isLate = watch.heldBack === "udp" && second - last < 8;
    if (watch.heldBack !== "udp") last = second;
    model.run(1, isLate ? { ...POLICED, demand: 1 } : POLICED);
  }
  deepEqual(model.verdicts.slice(0, 2).map(({ kind }) => kind), ["tries TLS", "to TLS"]);
  const idle = new Model();
  for (let second = 0; second < 60; second++) {
    idle.run(1, idle.watch.heldBack === null ? POLICED : { ...POLICED, demand: 1 });
  }
  deepEqual(idle.verdicts.slice(0, 2).map(({ kind }) => kind), ["tries TLS", "stays by UDP"]);
});

Deno.test("uploads are looked at as downloads are", () => {
  const watch = new ThrottleWatch();
  const upOf = (rate: number, loss: number) => ({
    up: { rate, loss, isQueued: false },
    down: NOTHING,
  });
  let last = null;
  for (let second = 0; second < 12; second++) {
    const isByTls = watch.heldBack === "udp";
    const udp = isByTls ? IDLE : upOf(MBIT, 0.3);
    const tls = watch.wantsTls ? (isByTls ? upOf(30 * MBIT, 0) : IDLE) : null;
    last = watch.look(udp, tls, second * 1000) ?? last;
  }
  equal(last?.kind, "to TLS");
});

Deno.test("TLS that does not come up, or ends, leaves the link to UDP", () => {
  const silent = new ThrottleWatch();
  let opened = 0;
  for (let second = 0; second < 60; second++) {
    if (silent.look(downOf(MBIT, 0.3), null, second * 1000)?.kind === "tries TLS") opened++;
    equal(silent.heldBack, null);
  }
  equal(opened, 2);
  const model = new Model().run(10, POLICED);
  for (let second = 10; second < 25; second++) model.watch.look(IDLE, null, second * 1000);
  equal(model.watch.wantsTls, false);
});

Deno.test("a trial of UDP that loses nearly all is over at once", () => {
  const model = new Model().run(10, POLICED);
  model.run(60, POLICED);
  const tried = model.verdicts.findIndex(({ kind }) => kind === "tries UDP");
  const [start, end] = model.verdicts.slice(tried, tried + 2);
  equal(end?.kind, "stays by TLS");
  ok(end!.second - start!.second <= 2, `${end!.second - start!.second} s`);
});

const rate = fc.integer({ min: 1, max: 400 }).map((tenths) => tenths * MBIT / 10);
const randomOf = (seed: number) => {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
};

Deno.test("however a network that treats both alike does, it stays by UDP", () => {
  fc.assert(fc.property(fc.integer(), rate, rate, (seed, demand, link) => {
    const model = new Model(randomOf(seed)).run(HOUR_S, { demand, link, policer: Infinity });
    equal(model.count("to TLS"), 0);
    ok(model.count("tries TLS") <= 8);
  }));
});

Deno.test("whatever the network does, the transport changes seldom, and less often each time", () => {
  const weather = fc.record({
    demand: rate,
    link: rate,
    policer: fc.oneof(rate, fc.constant(Infinity)),
  });
  const spells = fc.array(fc.tuple(fc.integer({ min: 1, max: 120 }), weather), { maxLength: 60 });
  fc.assert(fc.property(fc.integer(), spells, (seed, changes) => {
    const model = new Model(randomOf(seed));
    for (const [seconds, one] of changes) model.run(seconds, one);
    const seconds = changes.reduce((sum, [length]) => sum + length, 0);
    const moves = model.verdicts.filter(({ kind }) => kind === "to TLS");
    // Twice as long each time from 20 s on, but for those ten minutes apart.
    const most = 1 + Math.log2(1 + seconds / 20) + seconds / 600;
    ok(moves.length <= most, `${moves.length} moves in ${seconds} s`);
    for (const [index, { second, kind }] of model.verdicts.entries()) {
      const next = model.verdicts[index + 1];
      if (kind === "to TLS" && next?.kind === "tries UDP") {
        ok(next.second - second >= HOLD_FIRST_MS / 1000);
      }
      if (kind === "stays by UDP" && next !== undefined) ok(next.second - second >= 30);
    }
  }));
});

Deno.test("a network that lets UDP pass whenever it is tried does not make the link flap", () => {
  const model = new Model();
  for (let second = 0; second < HOUR_S; second++) {
    const isSpared = model.watch.heldBack === "tls" || model.verdicts.at(-1)?.kind === "to UDP" &&
        second - model.verdicts.at(-1)!.second < 5;
    model.run(1, isSpared ? OPEN : POLICED);
  }
  ok(model.count("to TLS") <= 9, `${model.count("to TLS")} moves in an hour`);
});
