import { Buffer } from "node:buffer";
import { deepEqual, equal } from "node:assert/strict";
import fc from "fast-check";
import { PacketRing, RING_BYTES, RING_MEMORY_BYTES } from "./packet_ring.ts";

const ROOM = 70_000;
const LENGTH_MAX = 66_000;

function newRing() {
  const memory = new SharedArrayBuffer(RING_MEMORY_BYTES);
  return { writer: new PacketRing(memory), reader: new PacketRing(memory), memory };
}

function packetOf(length: number, seed: number): Uint8Array {
  const packet = new Uint8Array(length);
  for (let index = 0; index < length; index++) packet[index] = index * 7 + seed;
  return packet;
}

Deno.test("what is taken out of a ring is what was put in, in order, through many rounds", () => {
  const step = fc.record({
    puts: fc.array(fc.integer({ min: 1, max: LENGTH_MAX }), { maxLength: 12 }),
    takes: fc.nat({ max: 12 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { writer, reader } = newRing();
      const waiting: Uint8Array[] = [];
      const into = new Uint8Array(ROOM);
      let seed = 0;
      for (const { puts, takes } of steps) {
        for (const length of puts) {
          const packet = packetOf(length, seed++);
          if (writer.push(packet, 0, length)) waiting.push(packet);
          else {
            const held = waiting.reduce((sum, { length }) => sum + length + 7, 0);
            // What was skipped before a packet, at its end once, is never longer than the packet.
            const skipped = LENGTH_MAX + length + 16;
            equal(held + skipped + length + 8 > RING_BYTES, true, `${held} bytes wait`);
          }
        }
        for (let take = 0; take < takes; take++) {
          const length = reader.take(into, 0, ROOM);
          const expected = waiting.shift();
          equal(length, expected?.length ?? 0);
          if (expected !== undefined) equal(Buffer.compare(into.subarray(0, length), expected), 0);
        }
        equal(reader.isEmpty, waiting.length === 0);
      }
    }),
    { numRuns: 20 },
  );
});

Deno.test("a ring goes on when its counters pass 2^31 and 2^32", () => {
  const { writer, reader, memory } = newRing();
  const counters = new Int32Array(memory, 0, 2);
  for (const start of [2 ** 31 - 512 * 8, 2 ** 32 - 512 * 8]) {
    counters.fill(start | 0);
    const into = new Uint8Array(1000);
    for (let round = 0; round < 40; round++) {
      equal(writer.push(packetOf(300, round), 0, 300), true);
      equal(reader.take(into, 10, 900), 300);
      deepEqual(into.slice(10, 310), packetOf(300, round));
    }
  }
});

Deno.test("a packet without room is refused, and one that is too long for its reader is lost alone", () => {
  const { writer, reader } = newRing();
  const large = packetOf(65_000, 1);
  let held = 0;
  while (writer.push(large, 0, large.length)) held++;
  equal(held, 8);
  const into = new Uint8Array(ROOM);
  equal(reader.take(into, 0, 1000), 0);
  equal(reader.take(into, 0, ROOM), 65_000);
  equal(writer.push(packetOf(5, 2), 0, 5), true);
});
