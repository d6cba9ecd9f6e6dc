import { deepEqual, equal } from "node:assert/strict";
import { Outbox } from "../path/outbox.ts";
import type { SessionPath } from "../path/session_path.ts";
import { setUpScheduling } from "../schedule/test_scheduling.ts";
import { Acknowledgement, encodeAcknowledgement } from "../wire/acknowledgement.ts";
import { RecordHeader } from "../wire/header.ts";
import { Acknowledgements } from "./acknowledgements.ts";

/** Round trips of the paths, in ms: the first is the fastest. */
const ROUND_TRIPS = [20, 80, 120];

function setUp() {
  const { paths, scheduling, added } = setUpScheduling(ROUND_TRIPS, "aggregate");
  const outbox = new Outbox();
  const acknowledgements = new Acknowledgements(paths, outbox, scheduling);
  const counters = new Map<number, number>();
  const arrive = (path: SessionPath, now: number, passedOver = 0) => {
    const counter = (counters.get(path.id) ?? 0) + 1 + passedOver;
    counters.set(path.id, counter);
    path.lastHeardAt = now;
    acknowledgements.recordArrived(path, new RecordHeader(), counter, now);
    acknowledgements.packetArrived(path, now);
  };
  /** The paths on which something is told now. */
  const told = (now: number) => {
    acknowledgements.handleTimeout(now);
    const ids: number[] = [];
    for (let each = outbox.nextTransmit(); each !== null; each = outbox.nextTransmit()) {
      ids.push(each.path.id);
    }
    return ids;
  };
  const beat = (path: SessionPath, now: number) => {
    const counter = (counters.get(path.id) ?? 0) + 1;
    counters.set(path.id, counter);
    path.lastHeardAt = now;
    acknowledgements.recordArrived(path, new RecordHeader(), counter, now);
    acknowledgements.heartbeatArrived(path, now);
  };
  return { acknowledgements, scheduling, table: paths, paths: added, arrive, beat, told };
}

Deno.test("what arrives on the fastest path is told there, and of a slow path there as well", () => {
  const { paths: [fast, slow], arrive, told } = setUp();
  for (let now = 0; now < 20; now++) arrive(fast!, now);
  deepEqual(told(20), [0]);
  for (let now = 20; now < 45; now++) {
    arrive(fast!, now);
    arrive(slow!, now);
  }
  deepEqual(told(46).sort(), [0, 0, 1]);
});

Deno.test("the last news of a path that fell silent takes the fastest of the others", () => {
  const { paths: [fast, slow, slowest], arrive, told } = setUp();
  for (const path of [fast!, slow!, slowest!]) arrive(path, 0);
  told(25);
  arrive(fast!, 30);
  for (let now = 31; now < 49; now++) {
    arrive(slow!, now);
    arrive(slowest!, now);
  }
  deepEqual(told(50), [0, 1]);
});

Deno.test("what was told on a path just before it fell silent is told again on another, once", () => {
  const { acknowledgements, paths: [fast, slow], arrive, told } = setUp();
  for (let now = 0; now < 20; now++) arrive(fast!, now);
  arrive(slow!, 18);
  deepEqual(told(20), [0]);
  equal(acknowledgements.nextDeadline(), 27);
  deepEqual(told(27).sort(), [0, 1]);
  equal(acknowledgements.nextDeadline(), 38, "that of the slow one");
});

Deno.test("heartbeats alone are acknowledged at once, and not again", () => {
  const { acknowledgements, paths: [fast, slow], arrive, beat, told } = setUp();
  beat(fast!, 0);
  beat(slow!, 0);
  deepEqual(told(0), [0, 1]);
  equal(acknowledgements.nextDeadline(), Infinity);
  arrive(fast!, 200);
  arrive(fast!, 219);
  deepEqual(told(220), [0]);
  beat(fast!, 221);
  deepEqual(told(221), [0]);
  equal(acknowledgements.nextDeadline(), 229, "the packets are told of again");
});

Deno.test("of the heartbeats of an idle session one in five seconds is acknowledged, or what shows a gap", () => {
  const { acknowledgements, paths: [fast], arrive, beat, told } = setUp();
  arrive(fast!, 0);
  arrive(fast!, 19);
  deepEqual(told(20), [0]);
  const acknowledged: number[] = [];
  for (let now = 500; now <= 12_500; now += 2000) {
    beat(fast!, now);
    if (told(now).length > 0) acknowledged.push(now);
  }
  deepEqual(acknowledged, [500, 6500, 12_500]);
  acknowledgements.recordArrived(fast!, new RecordHeader(), 100, 13_000);
  beat(fast!, 13_000);
  deepEqual(told(13_000), [0]);
});

Deno.test("what came last on a path that ends is told on another one", () => {
  const { acknowledgements, paths: [fast, slow], arrive, told } = setUp();
  arrive(slow!, 0);
  for (let now = 0; now < 5; now++) arrive(fast!, now);
  acknowledgements.pathEnds(fast!, 5);
  deepEqual(told(5), [1]);
  acknowledgements.pathEnds(fast!, 6);
  deepEqual(told(6), [], "nothing has come since");
  acknowledgements.pathEnds(slow!, 7);
  deepEqual(told(7), [0]);
});

Deno.test("what was told is not told again while more comes", () => {
  const { acknowledgements, paths: [fast, slow], arrive, told } = setUp();
  for (let now = 0; now < 25; now++) arrive(fast!, now);
  arrive(slow!, 24);
  deepEqual(told(25), [0]);
  for (let now = 25; now < 33; now++) arrive(fast!, now);
  deepEqual(told(33), []);
  equal(acknowledgements.nextDeadline(), 41, "20 ms after the first that was not told");
});

Deno.test("a path that was silent for long tells nobody's news", () => {
  const { paths: [fast, slow], arrive, told } = setUp();
  arrive(slow!, 0);
  told(25);
  arrive(fast!, 100);
  deepEqual(told(120), [0]);
});

Deno.test("what is said of a path that was removed meanwhile is no fault, a lie is", () => {
  const { acknowledgements, scheduling, table, paths } = setUp();
  scheduling.scheduler.recordWritten(paths[1]!, "control", 0, 1, 100);
  const message = Object.assign(new Acknowledgement(), { pathId: 1, highest: 9, received: 9 });
  const payload = encodeAcknowledgement(message);
  equal(acknowledgements.receive(payload, 10), "bad message", "one record was sent");
  table.remove(paths[1]!.id);
  equal(acknowledgements.receive(payload, 10), null);
  equal(acknowledgements.receive(payload.subarray(1), 10), "bad message");
});
