/** When a peer is told what arrived, and what is made of what it tells. */
import { deepEqual, equal } from "node:assert/strict";
import { Outbox } from "../path/outbox.ts";
import { setUpScheduling } from "../schedule/test_scheduling.ts";
import { TYPE_PATH_FEEDBACK } from "../wire/header.ts";
import { decodePathFeedback, encodePathFeedback } from "../wire/path_feedback.ts";
import { FeedbackExchange } from "./feedback_exchange.ts";

const FEEDBACK_MS = 40;
const FEEDBACK = {
  ...{ received: 10, expected: 10, bytes: 1000, echo: 100_000, hold: 5000 },
  ...{ clock: 7_000_000, queueDelay: 0, jitter: 0 },
};

function setUp(measuresRtt = true) {
  const { paths, scheduling, added } = setUpScheduling([null, null]);
  const outbox = new Outbox();
  const exchange = new FeedbackExchange(paths, outbox, scheduling, measuresRtt);
  const told = () => {
    const sent: [path: number, received: number][] = [];
    for (let next = outbox.nextTransmit(); next !== null; next = outbox.nextTransmit()) {
      equal(next.type, TYPE_PATH_FEEDBACK);
      sent.push([next.path.id, decodePathFeedback(next.payload)!.received]);
    }
    return sent;
  };
  return { exchange, told, path: added[0]!, other: added[1]! };
}

Deno.test("packets are told of together, 40 ms after the first", () => {
  const { exchange, told, path } = setUp();
  for (let count = 1; count <= 5; count++) {
    path.receiveStatistics.arrived(0, count, 100, 0, count);
    exchange.packetArrived(path, count);
  }
  equal(exchange.nextDeadline(), 1 + FEEDBACK_MS);
  exchange.handleTimeout(FEEDBACK_MS);
  deepEqual(told(), []);
  exchange.handleTimeout(1 + FEEDBACK_MS);
  deepEqual(told(), [[path.id, 5]]);
  equal(exchange.nextDeadline(), Infinity);
  exchange.handleTimeout(1e6);
  deepEqual(told(), [], "there is nothing new");
});

Deno.test("a heartbeat is told of at once, and each path speaks for itself", () => {
  const { exchange, told, path, other } = setUp();
  path.receiveStatistics.arrived(0, 1, 100, 0, 5);
  exchange.packetArrived(path, 5);
  other.receiveStatistics.arrived(0, 1, 100, 0, 6);
  exchange.heartbeatArrived(other, 6);
  exchange.handleTimeout(6);
  deepEqual(told(), [[other.id, 1]]);
  exchange.heartbeatArrived(path, 7);
  exchange.handleTimeout(7);
  deepEqual(told(), [[path.id, 1]]);
});

Deno.test("the server measures the round trip by feedback, without the time it was held", () => {
  for (const measuresRtt of [true, false]) {
    const { exchange, path, other } = setUp(measuresRtt);
    // Sent at 100 ms, held for 5, here at 130.
    equal(exchange.receive(encodePathFeedback(FEEDBACK), path, 130), null);
    equal(path.quality.rtt.lastMs, measuresRtt ? 25 : null);
    equal(other.quality.rtt.lastMs, null);
  }
});

Deno.test("feedback of another length is refused, and changes nothing", () => {
  const { exchange, path } = setUp();
  equal(exchange.receive(encodePathFeedback(FEEDBACK).subarray(1), path, 130), "bad message");
  equal(path.quality.rtt.lastMs, null);
});
