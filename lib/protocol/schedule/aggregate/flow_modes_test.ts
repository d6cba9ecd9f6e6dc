import { equal } from "node:assert/strict";
import { FlowModes } from "./flow_modes.ts";

/** Sends `rate` packets a ms that wait `waitedMs` each. Returns the mode at the end. */
function send(modes: FlowModes, rate: number, waitedMs: number, from: number, to: number): string {
  let mode = "";
  for (let now = from; now < to; now += 1 / rate) {
    mode = modes.mode(1, waitedMs, now);
    if (mode !== "single") modes.placed(1, waitedMs, now);
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

Deno.test("a sender that slows down again and again, though nobody told it to, is spread loosely", () => {
  const modes = new FlowModes();
  modes.mode(1, 9, 0);
  send(modes, 4, 5, 0, 1000);
  equal(send(modes, 1, 0, 1000, 3000), "single");
  modes.mode(1, 9, 3000);
  send(modes, 4, 5, 3000, 4000);
  equal(send(modes, 1, 0, 4000, 5600), "loose");
  modes.dropped(1, 5600);
  equal(modes.mode(1, 0, 5601), "ordered");
});

Deno.test("loose is given up when it is no better", () => {
  const modes = new FlowModes();
  for (const at of [0, 3000]) {
    modes.mode(1, 9, at);
    send(modes, 4, 5, at, at + 1000);
    send(modes, 1, 0, at + 1000, at + 2600);
  }
  equal(modes.mode(1, 0, 5600), "loose");
  equal(send(modes, 1, 5, 5600, 9000), "ordered");
});

Deno.test("a flow that fills queues is never loose", () => {
  const modes = new FlowModes();
  for (const at of [0, 3000, 6000]) {
    modes.mode(1, 9, at);
    send(modes, 4, 5, at, at + 500);
    modes.dropped(1, at + 500);
    equal(send(modes, 1, 0, at + 1000, at + 2900), "single");
  }
});
