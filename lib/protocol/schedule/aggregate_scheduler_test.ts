import { deepEqual, equal, ok } from "node:assert/strict";
import { FlowKey } from "../packet/flow_key.ts";
import { PROTOCOL_ICMP, PROTOCOL_TCP } from "../packet/ip.ts";
import { Acknowledgement } from "../wire/acknowledgement.ts";
import { FLAG_COPY, FLAG_ORDER_EXTENSION } from "../wire/header.ts";
import { fail, setUpScheduling, type TestScheduling } from "./test_scheduling.ts";

function flowOf(protocol: number, hash: number): FlowKey {
  const flow = new FlowKey();
  flow.protocol = protocol;
  flow.hashA = hash;
  return flow;
}

/** Lets everything leave that may until `to`. Returns what each departure was: [slot, path, kept]. */
function drain(
  { scheduling }: TestScheduling,
  from: number,
  to: number,
): [number, number, boolean][] {
  const left: [number, number, boolean][] = [];
  for (let now = from; now <= to; now++) {
    for (let next = scheduling.scheduler.poll(now); next; next = scheduling.scheduler.poll(now)) {
      const [path] = next.paths;
      left.push([next.slot, path?.id ?? -1, next.isKept]);
      if (path !== undefined) {
        scheduling.scheduler.recordWritten(path, "packet", 0, left.length, 1000);
      }
    }
  }
  return left;
}

Deno.test("a packet is held, leaves numbered, and its slot is free when it was acknowledged", () => {
  const test = setUpScheduling([20], "aggregate");
  const { scheduler } = test.scheduling;
  equal(scheduler.holdsPackets, true);
  equal(scheduler.begin(flowOf(PROTOCOL_TCP, 5), 1000, 0), true);
  equal(scheduler.offer(7, 1000, 0), null);
  const departure = scheduler.poll(0)!;
  deepEqual([departure.slot, departure.paths.length, departure.isKept], [7, 1, true]);
  equal(departure.flags, FLAG_ORDER_EXTENSION);
  ok(departure.extension !== null);
  scheduler.recordWritten(departure.paths[0]!, "packet", 0, 1, 1000);
  const message = Object.assign(new Acknowledgement(), { from: 1, highest: 1, received: 1 });
  equal(scheduler.acknowledged(message, 20), true);
  deepEqual(drain(test, 21, 21), [[7, -1, false]]);
  equal(scheduler.acknowledged(Object.assign(message, { highest: 9, received: 3 }), 22), false);
});

Deno.test("a packet takes of its path what it takes on the wire, however long it was before", () => {
  const nextAt = (written: number) => {
    const { scheduler } = setUpScheduling([20], "aggregate").scheduling;
    scheduler.begin(flowOf(PROTOCOL_TCP, 5), 1000, 0);
    for (let slot = 0; slot < 90; slot++) scheduler.offer(slot, 1000, 0);
    let counter = 0;
    for (let next = scheduler.poll(0); next; next = scheduler.poll(0)) {
      scheduler.recordWritten(next.paths[0]!, "packet", 0, ++counter, written);
    }
    return counter;
  };
  const [plain, compressed] = [nextAt(1000), nextAt(200)];
  ok(compressed >= 3 * plain && compressed < 90, `${compressed} compressed, ${plain} plain`);
});

Deno.test("what is interactive leaves unnumbered", () => {
  const { scheduler } = setUpScheduling([20], "aggregate").scheduling;
  scheduler.begin(flowOf(PROTOCOL_ICMP, 5), 84, 0);
  scheduler.offer(1, 84, 0);
  const { flags, stream, extension } = scheduler.poll(0)!;
  deepEqual([flags, stream, extension], [0, 0, null]);
});

Deno.test("a path that was removed is chosen no more, and what it had goes to the others", () => {
  const test = setUpScheduling([20, 20], "aggregate");
  const { scheduler } = test.scheduling;
  scheduler.begin(flowOf(PROTOCOL_TCP, 5), 1000, 0);
  for (let slot = 0; slot < 20; slot++) scheduler.offer(slot, 1000, 0);
  drain(test, 0, 1);
  test.paths.remove(0);
  test.scheduling.forget(test.added[0]!, 2);
  const left = drain(test, 3, 60).filter(([, path]) => path !== -1);
  ok(left.length > 0 && left.every(([, path]) => path === 1), `${left}`);
});

Deno.test("numbers go on when a peer has wished for another scheduler meanwhile", () => {
  const { scheduling } = setUpScheduling([20], "aggregate");
  const numbersOf = (slot: number, now: number) => {
    scheduling.scheduler.begin(flowOf(PROTOCOL_TCP, 5), 1000, now);
    scheduling.scheduler.offer(slot, 1000, now);
    const { stream, sequence, extension } = scheduling.scheduler.poll(now)!;
    return [stream, sequence, extension!.order];
  };
  const [stream, sequence, order] = numbersOf(0, 0);
  scheduling.use("flow", 1);
  scheduling.use("aggregate", 2);
  deepEqual(numbersOf(0, 3), [stream, sequence! + 1, order! + 1]);
});

Deno.test("nothing is due while paths are down, and what had no path yet is given up", () => {
  const test = setUpScheduling([20, 20], "aggregate");
  const { scheduler } = test.scheduling;
  const [first, second] = test.added;
  fail(test, first!, 1);
  equal(scheduler.poll(2), null);
  equal(scheduler.nextDeparture(2), Infinity);
  scheduler.begin(flowOf(PROTOCOL_TCP, 5), 1000, 3);
  for (let slot = 0; slot < 100; slot++) scheduler.offer(slot, 1000, 3);
  fail(test, second!, 4);
  const given = drain(test, 5, 5).map(([slot]) => slot);
  deepEqual(
    given.sort((one, other) => one - other),
    Array.from({ length: 100 }, (_, slot) => slot),
  );
  equal(scheduler.nextDeparture(6), Infinity);
});

Deno.test("a record that found no room gives its slot back", () => {
  const { scheduler } = setUpScheduling([20], "aggregate").scheduling;
  scheduler.begin(flowOf(PROTOCOL_TCP, 5), 1000, 0);
  scheduler.offer(3, 1000, 0);
  equal(scheduler.poll(0)!.slot, 3);
  const { slot, paths, isKept } = scheduler.poll(1)!;
  deepEqual([slot, paths.length, isKept], [3, 0, false]);
});

Deno.test("an acknowledgement that a newer one makes needless beside other packets is not sent", () => {
  const test = setUpScheduling([20], "aggregate");
  const { scheduler } = test.scheduling;
  scheduler.recordWritten(test.added[0]!, "control", 0, 1, 100);
  const heard = { from: 1, highest: 1, received: 1, bytes: 100 };
  equal(scheduler.acknowledged(Object.assign(new Acknowledgement(), heard), 20), true);
  scheduler.begin(flowOf(PROTOCOL_TCP, 5), 1000, 20);
  for (let slot = 100; slot < 150; slot++) scheduler.offer(slot, 1400, 20);
  const ack = Object.assign(flowOf(PROTOCOL_TCP, 6), { isPlainAck: true });
  for (let slot = 0; slot < 10; slot++) {
    ack.acknowledgement = 1000 * slot;
    scheduler.begin(ack, 60, 20);
    scheduler.offer(slot, 60, 20);
  }
  const reasons = new Map<number, string>();
  const left: number[] = [];
  for (let now = 20; now < 30; now += 0.1) {
    for (let next = scheduler.poll(now); next; next = scheduler.poll(now)) {
      const [path] = next.paths;
      if (path === undefined) reasons.set(next.slot, next.reason);
      else scheduler.recordWritten(path, "packet", 0, 1 + left.push(next.slot), 100);
    }
  }
  // The first is no news to compare with, the next one leaves at once, the last one when it is due.
  deepEqual(left.filter((slot) => slot < 100), [0, 1, 9]);
  deepEqual([...reasons], [8, 7, 6, 5, 4, 3, 2].map((slot) => [slot, "superseded"]));
});

Deno.test("what TCP repeats is not sent while it waits here yet", () => {
  const test = setUpScheduling([20], "aggregate");
  const { scheduler } = test.scheduling;
  const offer = (slot: number, sequence: number) => {
    const segment = Object.assign(flowOf(PROTOCOL_TCP, 5), { sequence, payloadBytes: 1000 });
    scheduler.begin(segment, 1000, 0);
    scheduler.offer(slot, 1000, 0);
  };
  for (let slot = 0; slot < 100; slot++) offer(slot, 1000 * slot);
  // The first have a path; the last have none.
  offer(200, 0);
  offer(201, 99_000);
  const gone = drain(test, 0, 1).filter(([, path]) => path === -1).map(([slot]) => slot);
  deepEqual(gone, [201]);
});

Deno.test("a path begins with the rate that is remembered of it", () => {
  const leftIn5Ms = (startRate: number | null) => {
    const test = setUpScheduling([20], "aggregate");
    test.added[0]!.startRate = startRate;
    test.scheduling.judge(0);
    test.scheduling.scheduler.begin(flowOf(PROTOCOL_TCP, 5), 1000, 0);
    for (let slot = 0; slot < 200; slot++) test.scheduling.scheduler.offer(slot, 1000, 0);
    return drain(test, 0, 5).filter(([, path]) => path !== -1).length;
  };
  const unknown = leftIn5Ms(null);
  ok(leftIn5Ms(10_000_000) > 2 * unknown, `${unknown} of 200`);
  ok(leftIn5Ms(500_000) < unknown / 2, `${unknown} of 200`);
});

Deno.test("what is interactive leaves on two paths where its own loses packets, as copies", () => {
  for (const [answered, paths, sent] of [[1, 1, 0], [0.8, 2, FLAG_COPY]] as const) {
    const { scheduling: { scheduler }, added } = setUpScheduling([20, 40, 60], "aggregate");
    for (let beat = 0; beat < 40; beat++) {
      for (const { quality } of added) quality.heartbeatSent(beat * 200);
      const isAnswered = beat % 5 < 5 * answered;
      for (const { quality } of isAnswered ? added : []) {
        quality.heartbeatAnswered(beat * 200, beat * 200 + 20);
      }
    }
    scheduler.begin(flowOf(PROTOCOL_ICMP, 5), 84, 8000);
    scheduler.offer(1, 84, 8000);
    const departure = scheduler.poll(8000)!;
    deepEqual([departure.paths.length, departure.flags], [paths, sent]);
    equal(new Set(departure.paths).size, paths);
  }
});

Deno.test("where much flows and nothing queues, packets leave at once, and one is numbered at times", () => {
  const { scheduling } = setUpScheduling([20], "aggregate");
  const { scheduler } = scheduling;
  const flow = flowOf(PROTOCOL_TCP, 5);
  let counter = 0;
  let [stored, through, numbered] = [0, 0, 0];
  let free = Array.from({ length: 4096 }, (_, slot) => slot);
  for (let now = 0; now < 30_000; now++) {
    scheduler.begin(flow, 60_000, now);
    const { storesPackets } = scheduler;
    const departure = scheduler.offer(storesPackets ? free.pop()! : -1, 60_000, now);
    if (storesPackets) stored++;
    else {
      through++;
      deepEqual([departure!.paths.length, departure!.flags, departure!.isKept], [1, 0, false]);
      scheduler.recordWritten(departure!.paths[0]!, "packet", 0, ++counter, 60_000);
    }
    for (let next = scheduler.poll(now); next !== null; next = scheduler.poll(now)) {
      if (next.paths.length === 0) free = [...free, next.slot];
      else {
        if (next.extension !== null && now > 1000) numbered++;
        scheduler.recordWritten(next.paths[0]!, "packet", 0, ++counter, 60_000);
      }
    }
    const told = { from: 1, highest: counter, received: counter, echo: now * 1000 };
    if (now % 20 === 0) scheduler.acknowledged(Object.assign(new Acknowledgement(), told), now);
  }
  ok(through > 29_000, `${through} through, ${stored} stored`);
  ok(numbered >= 2 && numbered < 20, `${numbered} numbered`);
});
