import { equal } from "node:assert/strict";
import { FlowModes } from "./flow_modes.ts";

const BYTES = 1400;
/** Bytes a ms of the fastest path. */
const FASTEST = 5 * BYTES;
/** When a flow that began at 0 is young no more. */
const GROWN = 3000;

/** Sends `rate` packets a ms that wait `waitedMs` each. Returns the mode at the end. */
function send(modes: FlowModes, rate: number, waitedMs: number, from: number, to: number): string {
  let mode = "";
  for (let now = from; now < to; now += 1 / rate) {
    mode = modes.mode(1, waitedMs, now);
    modes.placed(1, BYTES, waitedMs, FASTEST, now);
  }
  return mode;
}

Deno.test("a flow that queues for a while is spread", () => {
  const modes = new FlowModes();
  equal(send(modes, 1, 0, 0, 100), "single");
  equal(send(modes, 1, 9, 100, 115), "single");
  equal(send(modes, 1, 9, 115, 160), "spread");
  equal(modes.mode(2, 0, 160), "single");
  equal(send(modes, 1, 5, 160, 4000), "spread");
});

Deno.test("a flow that queues no more is on the fastest path again", () => {
  const modes = new FlowModes();
  send(modes, 7, 9, 0, GROWN);
  equal(send(modes, 1, 5, GROWN, 17_000), "spread");
  equal(send(modes, 1, 5, 17_000, 19_000), "single");
  equal(modes.wasSpread(1, 19_000), false);
});

Deno.test("a young flow whose queue runs empty is on the fastest path again, once", () => {
  const modes = new FlowModes();
  equal(send(modes, 7, 9, 0, 500), "spread");
  equal(send(modes, 2, 0, 500, 600), "spread", "acknowledgements of a flow just spread stay away");
  equal(send(modes, 2, 0, 600, 700), "single");
  equal(send(modes, 7, 9, 700, 800), "spread");
  equal(send(modes, 7, 0, 800, 1500), "spread");
});

Deno.test("a flow that needs more than the fastest path stays spread though it makes no queue", () => {
  const modes = new FlowModes();
  send(modes, 7, 9, 0, GROWN);
  equal(send(modes, 7, 0, GROWN, 60_000), "spread");
});

Deno.test("a sender that fills the fastest path without a queue is spread", () => {
  const modes = new FlowModes();
  equal(send(modes, 3, 0, 0, 5000), "single");
  equal(send(modes, 4.8, 0, 5000, 7500), "spread");
});

Deno.test("a sender that gets less than the fastest path carries is left there for a while", () => {
  const modes = new FlowModes();
  equal(send(modes, 4.8, 0, 0, 3000), "spread");
  equal(send(modes, 2, 0, 3000, 6000), "single");
  equal(send(modes, 4.8, 0, 6000, 20_000), "single");
  equal(send(modes, 4.8, 0, 20_000, 27_000), "spread");
});

Deno.test("a sender that slows down because it lost something stays spread", () => {
  const modes = new FlowModes();
  send(modes, 4, 9, 0, GROWN);
  for (let now = GROWN; now < 8000; now += 500) {
    modes.repeated(1, now);
    equal(send(modes, 1, 0, now, now + 500), "spread");
  }
});

Deno.test("a flow is held back when it neither queues nor lost anything lately", () => {
  const modes = new FlowModes();
  send(modes, 4, 9, 0, 1000);
  equal(modes.isHeldBack(1, 100, 1050), false);
  send(modes, 4, 0, 1000, 1200);
  equal(modes.isHeldBack(1, 100, 1200), true);
  modes.dropped(1, 1200);
  equal(modes.isHeldBack(1, 100, 1300), false);
  equal(modes.isHeldBack(1, 100, 1600), true);
});
