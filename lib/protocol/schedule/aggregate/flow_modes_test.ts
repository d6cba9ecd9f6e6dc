import { deepEqual, equal } from "node:assert/strict";
import { FlowModes } from "./flow_modes.ts";

const BYTES = 1400;
/** Bytes a ms of the fastest path. */
const FASTEST = 5 * BYTES;

/** Sends `rate` packets a ms that wait `waitedMs` each. Returns the mode at the end. */
function send(
  modes: FlowModes,
  rate: number,
  waitedMs: number,
  from: number,
  to: number,
  isKnown = true,
): string {
  let mode = "";
  for (let now = from; now < to; now += 1 / rate) {
    mode = modes.mode(1, waitedMs, now);
    modes.placed(1, BYTES, waitedMs, mode === "single", FASTEST, isKnown, now);
  }
  return mode;
}

Deno.test("a flow is spread when it queues, and not any more when it does not", () => {
  const modes = new FlowModes();
  equal(send(modes, 1, 0, 0, 100), "single");
  equal(modes.mode(1, 9, 100), "ordered");
  equal(modes.mode(2, 0, 100), "single");
  equal(send(modes, 1, 5, 100, 5000), "ordered");
  equal(send(modes, 1, 0, 5000, 7000), "single");
  equal(modes.wasSpread(1, 7000), false);
});

Deno.test("a flow that needs more than the fastest path stays spread though it makes no queue", () => {
  const modes = new FlowModes();
  send(modes, 7, 9, 0, 1000);
  equal(send(modes, 7, 0, 1000, 30_000), "ordered");
  const unknown = new FlowModes();
  send(unknown, 7, 9, 0, 1000);
  equal(send(unknown, 7, 0, 1000, 3000, false), "single");
});

Deno.test("a sender that slows down, though nobody told it to, is spread loosely", () => {
  const modes = new FlowModes();
  send(modes, 4, 9, 0, 1000);
  equal(send(modes, 1, 0, 1000, 2200), "single");
  equal(send(modes, 1, 0, 2200, 2800), "loose");
  modes.dropped(1, 2800);
  equal(modes.mode(1, 0, 2801), "ordered");
});

Deno.test("a sender that slows down because it lost something is no paced one", () => {
  const modes = new FlowModes();
  send(modes, 4, 9, 0, 1000);
  for (let now = 1000; now < 4000; now += 500) {
    modes.repeated(1, now);
    equal(send(modes, 1, 0, now, now + 500), "ordered");
  }
});

Deno.test("flows that share what there is are not taken for slow ones", () => {
  const modes = new FlowModes();
  send(modes, 2, 9, 0, 1000);
  equal(send(modes, 1.5, 0, 1000, 2600), "single");
  equal(send(modes, 1.5, 0, 2600, 5000), "single");
});

Deno.test("a sender that fills the fastest path without a queue is spread loosely", () => {
  const modes = new FlowModes();
  equal(send(modes, 3, 0, 0, 5000), "single");
  equal(send(modes, 4.8, 0, 5000, 7500), "loose");
});

Deno.test("loose is given up when it is no better than the fastest path alone", () => {
  const modes = new FlowModes();
  equal(send(modes, 4.8, 0, 0, 3500), "loose");
  equal(send(modes, 4.8, 0, 3500, 6500), "single");
  equal(send(modes, 4.8, 9, 6500, 12_000), "single");
});

Deno.test("a paced sender is ordered when it measures its delay anew, ten seconds later", () => {
  const modes = new FlowModes();
  equal(send(modes, 4.8, 0, 0, 3000), "loose");
  equal(send(modes, 7, 0, 3000, 11_000), "loose");
  equal(send(modes, 7, 0, 11_000, 13_000), "ordered");
  equal(send(modes, 7, 0, 13_000, 40_000), "ordered");
});

Deno.test("a paced sender that did not measure it is spread loosely again", () => {
  const modes = new FlowModes();
  send(modes, 4.8, 0, 0, 3000);
  equal(send(modes, 7, 0, 3000, 12_500), "ordered");
  const seen = new Set<string>();
  for (let now = 12_500; now < 15_000; now += 50) seen.add(send(modes, 3, 0, now, now + 50));
  deepEqual([...seen], ["ordered", "single", "loose"]);
});

Deno.test("a flow that fills queues is never loose, until it is another one", () => {
  const modes = new FlowModes();
  for (const at of [0, 3000, 6000]) {
    send(modes, 4, 9, at, at + 500);
    modes.dropped(1, at + 500);
    equal(send(modes, 1, 0, at + 1000, at + 2900), "single");
  }
  equal(send(modes, 4.8, 0, 9000, 12_000), "single");
  equal(send(modes, 4.8, 0, 30_000, 33_000), "loose");
});
