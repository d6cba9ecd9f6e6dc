import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { Acknowledgement } from "../wire/acknowledgement.ts";
import { NO_PACKET, NOT_KEPT, RECORDS_MAX, SentRecords } from "./sent_records.ts";

class Owner {
  readonly got: string[] = [];
  arrived(slot: number): void {
    this.got.push(`arrived ${slot}`);
  }
  lost(slot: number): void {
    this.got.push(`lost ${slot}`);
  }
  expired(slot: number): void {
    this.got.push(`expired ${slot}`);
  }
}

function message(fields: Partial<Acknowledgement>, gaps: [number, number][] = []): Acknowledgement {
  const made = Object.assign(new Acknowledgement(), { from: 1, ...fields, gaps: gaps.length });
  gaps.forEach(([start, length], gap) => {
    made.gapStart[gap] = start;
    made.gapLength[gap] = length;
  });
  return made;
}

function sending(count: number): { records: SentRecords; owner: Owner } {
  const records = new SentRecords();
  const owner = new Owner();
  for (let counter = 1; counter <= count; counter++) {
    records.record(0, counter, 100 + counter, 1000, counter, owner);
  }
  return { records, owner };
}

Deno.test("what arrived and what got lost goes back to its owner", () => {
  const { records, owner } = sending(6);
  const fields = { highest: 5, received: 4, echo: 5000, hold: 1000 };
  equal(records.acknowledge(message(fields, [[2, 1]]), 100, 26, owner), null);
  deepEqual(owner.got, [1, 3, 4, 5].map((n) => `arrived ${100 + n}`).toSpliced(1, 0, "lost 102"));
  equal(records.bytesInFlight, 1000);
  equal(records.roundTripMs, 20);
});

Deno.test("a gap of one record is not lost before three have come, or the time has passed", () => {
  const { records, owner } = sending(6);
  records.acknowledge(message({ highest: 3, received: 2 }, [[2, 1]]), 5, 30, owner);
  deepEqual(owner.got, ["arrived 101", "arrived 103"]);
  records.acknowledge(message({ highest: 4, received: 3 }, [[2, 1]]), 2, 31, owner);
  deepEqual(owner.got.slice(2), ["lost 102", "arrived 104"]);
});

Deno.test("records are kept for 300 ms, and 4096 of them", () => {
  const { records, owner } = sending(3);
  records.expire(302, owner);
  deepEqual(owner.got, ["expired 101", "expired 102"]);
  for (let counter = 4; counter <= RECORDS_MAX + 3; counter++) {
    records.record(0, counter, NO_PACKET, 0, 303, owner);
  }
  deepEqual(owner.got.slice(2), ["expired 103"]);
  equal(records.hasOutstanding, false);
});

Deno.test("many packets on the way are all known, and no counter is mixed up with another", () => {
  const records = new SentRecords();
  const owner = new Owner();
  for (let counter = 1; counter <= 3000; counter++) {
    records.record(0, counter, counter, 1000, 0, owner);
  }
  equal(records.bytesInFlight, 3_000_000);
  records.acknowledge(message({ highest: 3000, received: 2999 }, [[7, 1]]), 2, 30, owner);
  equal(owner.got.length, 3000);
  deepEqual(owner.got.filter((each) => !each.startsWith("arrived")), ["lost 7"]);
  equal(records.bytesInFlight, 0);
});

Deno.test("a packet that nobody keeps is waited for, and goes back to nobody", () => {
  const records = new SentRecords();
  const owner = new Owner();
  for (let counter = 1; counter <= 3; counter++) {
    records.record(0, counter, NOT_KEPT, 1000, counter, owner);
  }
  deepEqual([records.hasOutstanding, records.bytesInFlight], [true, 0]);
  records.acknowledge(message({ highest: 2, received: 2 }), 2, 30, owner);
  equal(records.hasOutstanding, true);
  records.acknowledge(message({ highest: 3, received: 3 }), 2, 31, owner);
  equal(records.hasOutstanding, false);
  records.record(0, 4, NOT_KEPT, 1000, 40, owner);
  records.loseAll(owner);
  deepEqual([records.hasOutstanding, owner.got], [false, []]);
});

Deno.test("a path that is gone keeps nothing, and a new key neither", () => {
  const { records, owner } = sending(3);
  records.expireAll(owner);
  equal(owner.got.length, 3);
  records.record(1, 1, 7, 10, 9, owner);
  records.record(2, 1, 8, 10, 9, owner);
  deepEqual(owner.got.slice(3), ["expired 7"]);
  equal(records.acknowledge(message({ epoch: 1, highest: 1, received: 1 }), 0, 9, owner), "stale");
  equal(records.bytesInFlight, 10);
});

Deno.test("a peer that made the path anew counts from the start, and is believed no more for it", () => {
  const { records, owner } = sending(6);
  records.acknowledge(message({ highest: 4, received: 4, bytes: 4000, echo: 4000 }), 0, 10, owner);
  const anew = { from: 5, received: 1, bytes: 1000, echo: 6000 };
  equal(records.acknowledge(message({ ...anew, highest: 4 }), 0, 12, owner), "stale", "overtaken");
  equal(records.acknowledge(message({ ...anew, highest: 5 }), 0, 12, owner), null);
  deepEqual(owner.got.slice(4), ["arrived 105"]);
  const late = message({ highest: 4, received: 4, bytes: 4000 });
  equal(records.acknowledge(late, 0, 12, owner), "stale", "of the path before");
  const more = { highest: 6, received: 100, bytes: 6000, echo: 6000 };
  equal(records.acknowledge(message(more), 0, 12, owner), "never sent");
  const next = { from: 5, highest: 6, received: 2, bytes: 2000, echo: 6000 };
  equal(records.acknowledge(message(next), 0, 12, owner), null);
  equal(records.bytesInFlight, 0);
});

Deno.test("hostile acknowledgements change nothing", () => {
  const { records, owner } = sending(6);
  records.acknowledge(message({ highest: 4, received: 4, echo: 4000 }), 0, 10, owner);
  owner.got.length = 0;
  const faults: [Partial<Acknowledgement>, string][] = [
    [{ highest: 7, received: 5 }, "never sent"],
    [{ epoch: 9, highest: 5, received: 5 }, "never sent"],
    [{ highest: 3, received: 6 }, "backwards"],
    [{ highest: 6, received: 0x90000000 }, "backwards"],
    [{ highest: 6, received: 2, bytes: 100_000 }, "backwards"],
    [{ highest: 6, received: 6, echo: 20_000 }, "impossible time"],
    [{ highest: 6, received: 100, echo: 6000 }, "never sent"],
    [{ highest: 6, received: 6, bytes: 100_000, echo: 6000 }, "never sent"],
    [{ highest: 6, received: 6, bytes: 0x80000000, echo: 6000 }, "backwards"],
  ];
  for (const [fields, fault] of faults) {
    equal(records.acknowledge(message(fields), 0, 10, owner), fault, JSON.stringify(fields));
    deepEqual([owner.got, records.bytesInFlight, records.roundTripMs], [[], 2000, 6]);
  }
});

Deno.test("property: each slot goes back once, whatever is acknowledged", () => {
  const steps = fc.array(
    fc.oneof(
      fc.record({ send: fc.integer({ min: 1, max: 40 }) }),
      fc.record({ highest: fc.nat(400), received: fc.nat(400), gap: fc.nat(400) }),
      fc.record({ wait: fc.nat(200) }),
      fc.record({ lose: fc.nat(9) }),
    ),
    { maxLength: 60 },
  );
  fc.assert(fc.property(steps, (each) => {
    const records = new SentRecords();
    const owner = new Owner();
    let now = 0;
    let sent = 0;
    for (const step of each) {
      if ("send" in step) {
        for (let more = 0; more < step.send; more++) {
          sent++;
          records.record(0, sent, sent, 1, now, owner);
        }
      } else if ("wait" in step) records.expire(now += step.wait, owner);
      else if ("lose" in step) records.loseAll(owner, step.lose);
      else if (step.highest > 1 && step.gap > 0 && step.gap < step.highest) {
        records.acknowledge(message(step, [[step.gap, 1]]), 0, now, owner);
      }
    }
    records.expireAll(owner);
    const slots = owner.got.map((entry) => Number(entry.split(" ")[1]));
    equal(new Set(slots).size, slots.length);
    equal(slots.length, sent);
    ok(records.bytesInFlight === 0);
  }));
});
