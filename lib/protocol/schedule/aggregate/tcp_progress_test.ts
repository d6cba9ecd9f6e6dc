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
