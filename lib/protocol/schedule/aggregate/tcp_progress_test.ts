import { equal } from "node:assert/strict";
import { FlowKey } from "../../packet/flow_key.ts";
import { TcpProgress } from "./tcp_progress.ts";

function segment(sequence: number, payloadBytes: number, hash = 1): FlowKey {
  return Object.assign(new FlowKey(), { hashA: hash, hashB: hash, sequence, payloadBytes });
}

Deno.test("what a sender sends again is repeated, and what follows is not", () => {
  const progress = new TcpProgress();
  equal(progress.isRepeated(segment(1000, 100)), false);
  equal(progress.isRepeated(segment(1100, 100)), false);
  equal(progress.isRepeated(segment(1000, 100)), true);
  equal(progress.isRepeated(segment(1100, 100)), true);
  equal(progress.isRepeated(segment(1150, 100)), false);
  equal(progress.isRepeated(segment(1250, 100)), false);
});

Deno.test("what is repeated is among the last bytes of its flow, or is not", () => {
  const progress = new TcpProgress();
  for (let sequence = 1000; sequence < 1500; sequence += 100) {
    progress.isRepeated(segment(sequence, 100));
  }
  equal(progress.isAmongLast(segment(1300, 100), 200), true);
  equal(progress.isAmongLast(segment(1200, 100), 200), false);
  equal(progress.isAmongLast(segment(1200, 100), 250), false);
  equal(progress.isAmongLast(segment(1400, 100), 0), false);
});

Deno.test("where something is missing, or another flow sends, nobody knows which bytes are the last", () => {
  const progress = new TcpProgress();
  progress.isRepeated(segment(1000, 100));
  progress.isRepeated(segment(1200, 100));
  equal(progress.isAmongLast(segment(1100, 100), 200), false);
  equal(progress.isAmongLast(segment(1200, 100), 100), true);
  progress.isRepeated(segment(5000, 100, 1 + 2 ** 25));
  progress.isRepeated(segment(1300, 100));
  equal(progress.isAmongLast(segment(1300, 100), 300), false);
});

Deno.test("an acknowledgement without payload is not repeated", () => {
  const progress = new TcpProgress();
  progress.isRepeated(segment(1000, 100));
  equal(progress.isRepeated(segment(1000, 0)), false);
});

Deno.test("sequence numbers go round", () => {
  const progress = new TcpProgress();
  equal(progress.isRepeated(segment(2 ** 32 - 50, 100)), false);
  equal(progress.isRepeated(segment(50, 100)), false);
  equal(progress.isRepeated(segment(2 ** 32 - 50, 100)), true);
});

Deno.test("a new connection in the place of an old one is not repeated", () => {
  const progress = new TcpProgress();
  progress.isRepeated(segment(3_000_000_000, 100));
  equal(progress.isRepeated(segment(1000, 100)), false);
  equal(progress.isRepeated(segment(1000, 100, 1 + 2 ** 25)), false);
  equal(progress.isRepeated(segment(500, 100)), false);
});

function ack(acknowledgement: number, hashB = 1): FlowKey {
  const plain = { isPlainAck: true, acknowledgement };
  return Object.assign(new FlowKey(), { hashA: 1, hashB, ...plain });
}

Deno.test("an acknowledgement of more than the one before makes that needless, a repeated one does not", () => {
  const progress = new TcpProgress();
  equal(progress.acknowledgesMore(ack(1000)), false);
  equal(progress.acknowledgesMore(ack(2000)), true);
  equal(progress.acknowledgesMore(ack(2000)), false);
  equal(progress.acknowledgesMore(ack(1500)), false);
  equal(progress.acknowledgesMore(Object.assign(ack(9000), { isPlainAck: false })), false);
  progress.acknowledgesMore(ack(2 ** 32 - 10));
  equal(progress.acknowledgesMore(ack(10)), true);
});

Deno.test("one of another flow in the same place makes nothing needless", () => {
  const progress = new TcpProgress();
  progress.acknowledgesMore(ack(1000));
  equal(progress.acknowledgesMore(ack(2000, 2)), false);
  equal(progress.acknowledgesMore(ack(3000, 1)), false);
});
