import { deepEqual, equal, ok } from "node:assert/strict";
import fc from "fast-check";
import { FLOWS } from "./fair_queue.ts";
import { NO_SLOT } from "./packet_slots.ts";
import { TcpAckFilter } from "./tcp_ack_filter.ts";

const RTT = 20;

Deno.test("beside other packets, one acknowledgement leaves every two milliseconds, the newest", () => {
  const filter = new TcpAckFilter();
  equal(filter.take(1, 10, RTT, true, 0), NO_SLOT);
  equal(filter.take(1, 11, RTT, true, 0.5), 11);
  equal(filter.take(1, 12, RTT, true, 1), 11);
  equal(filter.releaseAt, 2);
  equal(filter.release(1.9), NO_SLOT);
  equal(filter.release(2), 12);
  deepEqual([filter.release(2), filter.releaseAt], [NO_SLOT, Infinity]);
});

Deno.test("alone, each leaves at once; and so it does where a round trip is short", () => {
  const filter = new TcpAckFilter();
  for (let at = 0; at < 2; at += 0.1) equal(filter.take(1, 10, RTT, false, at), NO_SLOT);
  for (let at = 0; at < 2; at += 0.1) equal(filter.take(2, 10, 0.5, true, at), NO_SLOT);
});

Deno.test("what follows one that waits does not overtake it", () => {
  const filter = new TcpAckFilter();
  for (const flow of [1, 2, 3]) filter.take(flow, 10 * flow, RTT, true, 0);
  for (const flow of [1, 2, 3]) filter.take(flow, 10 * flow + 1, RTT, true, 1);
  equal(filter.flush(2), 21);
  equal(filter.flush(2), NO_SLOT);
  deepEqual([filter.release(2), filter.release(2), filter.release(2)], [11, 31, NO_SLOT]);
});

Deno.test("every slot comes out once, however flows mix", () => {
  const action = fc.tuple(fc.nat(7), fc.constantFrom("take", "flush", "wait"), fc.nat(20));
  fc.assert(fc.property(fc.array(action, { maxLength: 300 }), (actions) => {
    const filter = new TcpAckFilter();
    const inside = new Set<number>();
    let now = 0;
    const out = (slot: number) => {
      if (slot !== NO_SLOT) ok(inside.delete(slot), `${slot} came out twice`);
    };
    for (const [index, [number, kind, tenths]] of actions.entries()) {
      const flow = number * (FLOWS / 8);
      if (kind === "wait") now += tenths / 10;
      if (kind === "flush") out(filter.flush(flow));
      if (kind === "take") {
        const given = filter.take(flow, index, RTT, true, now);
        if (given !== NO_SLOT) inside.add(index);
        if (given !== index) out(given);
      }
      for (let slot = filter.release(now); slot !== NO_SLOT; slot = filter.release(now)) out(slot);
      ok(filter.releaseAt > now);
    }
    now += 10;
    for (let slot = filter.release(now); slot !== NO_SLOT; slot = filter.release(now)) out(slot);
    deepEqual([...inside], []);
  }));
});
