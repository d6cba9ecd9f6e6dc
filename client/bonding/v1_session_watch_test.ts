import { deepEqual, equal } from "node:assert/strict";
import { type CarriedRecords, V1SessionWatch } from "./v1_session_watch.ts";

const NOTHING = { sentPackets: 0, sentBytes: 0, receivedPackets: 0, receivedBytes: 0 };

/** A session's counters, second by second. */
class Counters {
  #records: CarriedRecords = NOTHING;
  nowMs = 0;

  constructor(readonly watch: V1SessionWatch, readonly session = 7) {}

  /** A second with a heartbeat each way, and packets of 100 bytes. */
  second({ sent = 0, received = 0 }): boolean {
    const { sentPackets, sentBytes, receivedPackets, receivedBytes } = this.#records;
    this.#records = {
      sentPackets: sentPackets + 1 + sent,
      sentBytes: sentBytes + 8 + 100 * sent,
      receivedPackets: receivedPackets + 1 + received,
      receivedBytes: receivedBytes + 8 + 100 * received,
    };
    this.nowMs += 1000;
    return this.watch.carried(this.session, this.#records, this.nowMs);
  }

  seconds(count: number, packets: { sent?: number; received?: number }): number[] {
    return Array.from({ length: count }, () => this.second(packets) ? this.nowMs : 0).filter(
      Boolean,
    );
  }
}

Deno.test("V1SessionWatch replaces a session at once when a path of it is cut, not at each flap", () => {
  const watch = new V1SessionWatch();
  const cuts = [0, 1000, 4999, 5000, 6000, 30_000].map((ms) => watch.pathWentDown(ms));
  deepEqual(cuts, [true, false, false, true, false, true]);
});

Deno.test("V1SessionWatch replaces a session that answers heartbeats, but no packets", () => {
  const counters = new Counters(new V1SessionWatch());
  deepEqual(counters.seconds(20, { sent: 2 }), [9000]);
});

Deno.test("V1SessionWatch leaves a session alone that carries both ways, or nothing", () => {
  for (const packets of [{ sent: 5, received: 1 }, {}, { received: 3 }]) {
    deepEqual(new Counters(new V1SessionWatch()).seconds(600, packets), []);
  }
});

Deno.test("V1SessionWatch takes its time where a new session changes nothing", () => {
  const counters = new Counters(new V1SessionWatch());
  const replaced = counters.seconds(3600, { sent: 1 });
  deepEqual(replaced.slice(0, 5), [9000, 39_000, 99_000, 219_000, 459_000]);
  equal(replaced.length, 10);
  counters.second({ sent: 1, received: 1 });
  deepEqual(counters.seconds(20, { sent: 1 }).length, 1, "it begins anew");
});

Deno.test("V1SessionWatch counts each session by itself", () => {
  const watch = new V1SessionWatch();
  const first = new Counters(watch);
  first.seconds(7, { sent: 1 });
  equal(new Counters(watch, 8).seconds(7, { sent: 1 }).length, 0);
});
