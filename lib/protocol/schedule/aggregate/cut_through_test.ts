import { deepEqual, equal } from "node:assert/strict";
import { CutThrough } from "./cut_through.ts";
import { PacketSlots } from "./packet_slots.ts";
import { type LaneOptions, PathLane } from "./path_lane.ts";

const FAST = 50_000;
const SLOW = 5_000;

function lanes(...options: Omit<LaneOptions, "id">[]): PathLane[] {
  const slots = new PacketSlots(16);
  return options.map((each, id) => {
    const lane = new PathLane(slots, { id, ...each });
    lane.delayMs = 10 + id;
    return lane;
  });
}

/** Offers so many bytes a ms from `from` to `to`; the path at the end. */
function offer(through: CutThrough, rate: number, from: number, to: number): PathLane | null {
  let lane: PathLane | null = null;
  for (let now = from; now < to; now++) lane = through.laneFor(rate, now);
  return lane;
}

Deno.test("packets that come fast leave as they come on the nearest path, slow ones do not", () => {
  const [near, far] = lanes({}, {});
  const through = new CutThrough([far!, near!]);
  equal(offer(through, SLOW, 0, 1000), null);
  equal(offer(through, FAST, 1000, 1200), near);
  equal([near!, far!].every(({ isUnpaced }) => isUnpaced), true);
  equal(offer(through, SLOW, 1200, 2000), near);
  equal(offer(through, SLOW, 2000, 2400), null);
  equal([near!, far!].some(({ isUnpaced }) => isUnpaced), false);
});

Deno.test("acknowledgements of what comes fast leave as they come, too", () => {
  const [lane] = lanes({});
  let received = 0;
  const through = new CutThrough([lane!], () => received);
  for (let now = 0; now < 200; now++) {
    received += FAST;
    equal(through.laneFor(100, now), now < 50 ? null : lane);
  }
});

Deno.test("one read after a rest is not fast", () => {
  const through = new CutThrough(lanes({}));
  for (let now = 0; now < 10_000; now += 500) equal(through.laneFor(60_000_000, now), null);
});

Deno.test("a path whose rate is prescribed, that shows a queue or takes nothing is not tried", () => {
  const queued = lanes({})[0]!;
  Object.defineProperty(queued.capacity, "queueMs", { value: 8 });
  const down = lanes({})[0]!;
  down.state = "down";
  const [limited] = lanes({ ceiling: 1000 });
  equal(offer(new CutThrough([queued, down, limited!]), FAST, 0, 1000), null);
});

for (
  const [what, queueMs, loss, afterMs] of [["a queue", 30, 0, 0], ["loss", 0, 0.1, 200]] as const
) {
  Deno.test(`${what} ends the trial, and the next one is later each time`, () => {
    const [lane] = lanes({});
    let isIll = false;
    Object.defineProperty(lane!.capacity, "queueMs", { get: () => isIll ? queueMs : 0 });
    const through = new CutThrough([lane!]);
    const began: number[] = [];
    const ended: number[] = [];
    for (let now = 0; now < 30_000; now++) {
      const next = through.laneFor(FAST, now);
      if (next !== null && began.length === ended.length) began.push(now);
      if (next === null && began.length > ended.length) ended.push(now);
      isIll = next !== null;
      lane!.loss = isIll ? loss : 0;
      through.heard(lane!, now);
    }
    const rounded = (times: number[]) => times.map((at) => Math.round(at / 100) * 100);
    deepEqual(rounded(began.map((at, each) => (ended[each] ?? NaN) - at)), [
      afterMs,
      afterMs,
      afterMs,
    ]);
    const pauses = began.slice(1).map((at, each) => at - ended[each]!);
    deepEqual(pauses.map((ms) => Math.round(ms / 1000)), [4, 16]);
  });
}

Deno.test("a moment of loss ends nothing", () => {
  const [lane] = lanes({});
  const through = new CutThrough([lane!]);
  equal(offer(through, FAST, 0, 200), lane);
  lane!.loss = 0.5;
  through.heard(lane!, 200);
  through.heard(lane!, 380);
  lane!.loss = 0;
  through.heard(lane!, 390);
  lane!.loss = 0.5;
  through.heard(lane!, 410);
  equal(through.laneFor(FAST, 411), lane);
});

Deno.test("a path that fails is left at once", () => {
  const [lane, other] = lanes({}, {});
  const through = new CutThrough([lane!, other!]);
  equal(offer(through, FAST, 0, 200), lane);
  lane!.state = "suspect";
  equal(through.laneFor(FAST, 200), null);
  equal(offer(through, FAST, 201, 400), other);
});
