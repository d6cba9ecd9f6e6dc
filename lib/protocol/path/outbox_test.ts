import { deepEqual, equal } from "node:assert/strict";
import { TYPE_HEARTBEAT, TYPE_PATH_FEEDBACK } from "../wire/header.ts";
import { Outbox } from "./outbox.ts";
import { SessionPath } from "./session_path.ts";

const TRANSMITS_MAX = 64;
const EVENTS_MAX = 256;

function record(path: SessionPath, number: number) {
  return { type: TYPE_HEARTBEAT, path, payload: new Uint8Array([number]) };
}

function numbers(outbox: Outbox): number[] {
  const sent: number[] = [];
  for (let next = outbox.nextTransmit(); next !== null; next = outbox.nextTransmit()) {
    sent.push(next.payload[0]!);
  }
  return sent;
}

Deno.test("records come out as they were put in, 64 at most, and the others are counted once", () => {
  const outbox = new Outbox();
  const path = new SessionPath(1, "dsl", 0, 0);
  for (let number = 0; number < TRANSMITS_MAX + 3; number++) outbox.transmit(record(path, number));
  deepEqual(numbers(outbox), Array.from({ length: TRANSMITS_MAX }, (_, number) => number));
  deepEqual([outbox.takeDropped(), outbox.takeDropped()], [3, 0]);
});

Deno.test("a longer record goes in front of the heartbeat that its path waits with, and no other", () => {
  const [one, two] = [1, 2].map((id) => new SessionPath(id, `link ${id}`, 0, 0));
  const longer = (path: SessionPath, number: number) => ({
    type: TYPE_PATH_FEEDBACK,
    path,
    payload: new Uint8Array([number, 0]),
  });
  const outbox = new Outbox();
  outbox.transmitBeforeHeartbeat(longer(one!, 1));
  for (const [number, path] of [[2, one], [3, two]] as const) {
    outbox.transmit(record(path!, number));
  }
  outbox.transmitBeforeHeartbeat(longer(one!, 4));
  outbox.transmitBeforeHeartbeat({ ...longer(two!, 5), payload: new Uint8Array([5]) });
  outbox.transmit(longer(two!, 6));
  outbox.transmitBeforeHeartbeat(longer(two!, 7));
  deepEqual(numbers(outbox), [1, 4, 2, 3, 5, 6, 7]);
  for (let number = 0; number < TRANSMITS_MAX; number++) outbox.transmit(record(one!, number));
  outbox.transmitBeforeHeartbeat(longer(one!, 99));
  equal(outbox.takeDropped(), 1);
});

Deno.test("what waits for a path that is gone is dropped, and nothing else", () => {
  const outbox = new Outbox();
  const [one, two] = [1, 2].map((id) => new SessionPath(id, `link ${id}`, 0, 0));
  for (let number = 0; number < 6; number++) {
    outbox.transmit(record(number % 2 === 0 ? one! : two!, number));
  }
  outbox.forgetPath(1);
  deepEqual(numbers(outbox), [1, 3, 5]);
  equal(outbox.takeDropped(), 0);
});

Deno.test("events that nobody takes are bounded", () => {
  const outbox = new Outbox();
  for (let count = 0; count < EVENTS_MAX + 1; count++) outbox.emit({ name: "bye" });
  let taken = 0;
  while (outbox.nextEvent() !== null) taken++;
  equal(taken, EVENTS_MAX);
});
