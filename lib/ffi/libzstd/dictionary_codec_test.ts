import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { packetDictionary } from "../../protocol/compression/dictionary.ts";
import { Arena } from "../memory/arena.ts";
import { DictionaryCodec, dictionaryCodecWorks } from "./dictionary_codec.ts";

const PACKET = 64, FRAME = 4096, INFLATED = 8192, ARENA_BYTES = 16384;
const PACKET_BYTES_MAX = 1500;
const GUARD = 0xa5;
const DICTIONARY = packetDictionary();
const PROSE = new TextEncoder().encode(
  "It was late when the last of them came home, and there was nothing left to say about the " +
    "weather. He put his hat on the table, looked at the letter and read it once more. ",
);

/** Packets that repeat themselves, or the dictionary, more or less, and some that do not. */
const packets = fc.oneof(
  fc.uint8Array({ maxLength: PACKET_BYTES_MAX }),
  fc.uint8Array({ max: 3, maxLength: PACKET_BYTES_MAX }),
  fc.array(fc.tuple(fc.nat(DICTIONARY.length), fc.nat(60)), { maxLength: 40 }).map((parts) =>
    Uint8Array.from(parts.flatMap(([at, length]) => [...DICTIONARY.subarray(at, at + length)]))
      .subarray(0, PACKET_BYTES_MAX)
  ),
);

function testCodec(name: string, body: (codec: DictionaryCodec, arena: Arena) => void) {
  Deno.test({
    name: `libzstd: ${name}`,
    ignore: !dictionaryCodecWorks(DICTIONARY),
    fn() {
      const arena = new Arena(ARENA_BYTES);
      const codec = new DictionaryCodec(arena, DICTIONARY);
      try {
        body(codec, arena);
      } finally {
        codec.free();
      }
    },
  });
}

function compress(codec: DictionaryCodec, { bytes }: Arena, packet: Uint8Array) {
  bytes.set(packet, PACKET);
  const length = codec.compress(PACKET, packet.length, FRAME, packet.length);
  return bytes.slice(FRAME, FRAME + length);
}

function inflate(codec: DictionaryCodec, { bytes }: Arena, frame: Uint8Array, capacity = 1500) {
  bytes.set(frame, FRAME);
  const length = codec.inflate(FRAME, frame.length, INFLATED, capacity);
  return length < 0 ? null : bytes.slice(INFLATED, INFLATED + length);
}

testCodec("a packet becomes shorter and comes back, or stays plain", (codec, arena) => {
  fc.assert(fc.property(packets, (packet) => {
    const frame = compress(codec, arena, packet);
    deepEqual(arena.bytes.slice(PACKET, PACKET + packet.length), packet);
    ok(frame.length === 0 || frame.length < packet.length);
    if (frame.length > 0) deepEqual(inflate(codec, arena, frame), packet);
  }));
});

testCodec("a sentence that says nothing twice becomes half as long", (codec, arena) => {
  const frame = compress(codec, arena, PROSE);
  ok(frame.length > 0 && frame.length <= PROSE.length / 2, `${frame.length} of ${PROSE.length}`);
});

testCodec("packets leave no trace in the next", (codec, arena) => {
  const first = compress(codec, arena, PROSE);
  compress(codec, arena, PROSE.toReversed());
  deepEqual(compress(codec, arena, PROSE), first);
  equal(inflate(codec, arena, first.subarray(1)), null);
  deepEqual(inflate(codec, arena, first), PROSE);
});

testCodec("random data never grows, and longer packets stay as they are", (codec, arena) => {
  for (const length of [0, 1, 17, 18, 40, 255, 1400, 1500]) {
    equal(compress(codec, arena, randomBytes(length)).length, 0, `${length} bytes`);
  }
  equal(codec.compress(PACKET, PACKET_BYTES_MAX + 1, FRAME, 1500), 0);
  equal(codec.inflate(FRAME, PACKET_BYTES_MAX + 1, INFLATED, 1500), -1);
});

testCodec("a frame is refused when it inflates to more than the capacity", (codec, arena) => {
  const frame = compress(codec, arena, new Uint8Array(PACKET_BYTES_MAX));
  equal(inflate(codec, arena, frame)?.length, PACKET_BYTES_MAX);
  equal(inflate(codec, arena, frame, PACKET_BYTES_MAX - 1), null);
  equal(inflate(codec, arena, frame, 0), null);
  // Blocks of one byte, 128 KiB times: no window, no size, and one RLE block after the other.
  const descriptor = [0, 0x38];
  const block = [2 | (131_072 << 3 & 0xff), (131_072 >> 5) & 0xff, (131_072 >> 13) & 0xff, 0];
  const bomb = Uint8Array.from([...descriptor, ...new Array(300).fill(block).flat()]);
  arena.bytes.fill(GUARD, INFLATED);
  equal(inflate(codec, arena, bomb), null);
  ok(arena.bytes.subarray(INFLATED + PACKET_BYTES_MAX).every((byte) => byte === GUARD));
});

testCodec("what is cut short, or has something behind it, is refused", (codec, arena) => {
  const whole = compress(codec, arena, PROSE);
  for (let length = 0; length < whole.length; length++) {
    equal(inflate(codec, arena, whole.subarray(0, length)), null, `${length} bytes`);
  }
  for (const rest of [[0], [0xff, 0xff, 0xff], [...randomBytes(20).fill(0xff, 0, 3)]]) {
    equal(inflate(codec, arena, Uint8Array.from([...whole, ...rest])), null);
  }
});

testCodec("several frames are one packet, and have one capacity", (codec, arena) => {
  const frame = compress(codec, arena, PROSE);
  const both = Uint8Array.from([...frame, ...frame]);
  deepEqual(inflate(codec, arena, both), Uint8Array.from([...PROSE, ...PROSE]));
  equal(inflate(codec, arena, both, 2 * PROSE.length - 1), null);
});

testCodec("a frame that asks for another dictionary is refused", (codec, arena) => {
  const frame = compress(codec, arena, PROSE);
  // Bit 0 of the first byte: one byte of dictionary id follows the window's.
  const naming = Uint8Array.from([frame[0]! | 1, frame[1]!, 7, ...frame.subarray(2)]);
  equal(inflate(codec, arena, naming), null);
});

testCodec("another dictionary does not give the packet", (codec, arena) => {
  const frame = compress(codec, arena, PROSE);
  const other = DICTIONARY.slice();
  other.set(new Uint8Array(5000).fill(0x2e), other.length - 5000);
  const stranger = new DictionaryCodec(arena, other);
  try {
    const inflated = inflate(stranger, arena, frame);
    ok(inflated === null || !inflated.every((byte, at) => byte === PROSE[at]));
  } finally {
    stranger.free();
  }
});

testCodec("bad input never throws, and nothing outside the capacity is written", (codec, arena) => {
  const { bytes } = arena;
  const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 6 });
  const broken = fc.oneof(
    fc.uint8Array({ maxLength: 600 }),
    fc.uint8Array({ maxLength: 600 }).map((body) => Uint8Array.from([0, 0x38, ...body])),
    fc.tuple(packets, changes).map(([packet, changed]) => {
      const frame = compress(codec, arena, packet);
      if (frame.length > 0) { for (const [at, by] of changed) frame[at % frame.length]! ^= by; }
      return frame;
    }),
  );
  fc.assert(
    fc.property(broken, fc.integer({ min: 1, max: 1500 }), (frame, capacity) => {
      bytes.fill(GUARD);
      bytes.set(frame, FRAME);
      const length = codec.inflate(FRAME, frame.length, INFLATED, capacity);
      ok(length >= -1 && length <= capacity);
      bytes.fill(GUARD, FRAME, FRAME + frame.length);
      bytes.fill(GUARD, INFLATED, INFLATED + capacity);
      ok(bytes.every((byte) => byte === GUARD));
    }),
    { numRuns: 300 },
  );
});

testCodec("a frame that has no room is given up, and writes nothing outside", (codec, arena) => {
  const { bytes } = arena;
  fc.assert(fc.property(packets, fc.integer({ min: 0, max: 1500 }), (packet, capacity) => {
    bytes.fill(GUARD);
    bytes.set(packet, PACKET);
    ok(codec.compress(PACKET, packet.length, FRAME, capacity) <= capacity);
    bytes.fill(GUARD, PACKET, PACKET + packet.length);
    bytes.fill(GUARD, FRAME, FRAME + capacity);
    ok(bytes.every((byte) => byte === GUARD));
  }));
});

testCodec("regions outside the arena are refused", (codec) => {
  const end = ARENA_BYTES - 100;
  throws(() => codec.compress(end, 101, 0, 1000), /the arena ends before/);
  throws(() => codec.compress(0, 1000, end, 1000), /the arena ends before/);
  throws(() => codec.compress(-1, 100, FRAME, 100), /the arena ends before/);
  throws(() => codec.inflate(end, 101, 0, 1500), /the arena ends before/);
  throws(() => codec.inflate(0, 100, end, 1500), /the arena ends before/);
  codec.free();
});

Deno.test("what is no dictionary does not work, and is no crash", () => {
  const cut = DICTIONARY.slice(0, 40);
  equal(dictionaryCodecWorks(cut), false);
});
