import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { Arena } from "../memory/arena.ts";
import {
  CODEC_BYTES_MAX,
  CODEC_LIBRARIES,
  type CodecLibrary,
  PacketCodec,
} from "./packet_codec.ts";

const PACKET = 64, GZIP = 16384, INFLATED = 32768, ARENA_BYTES = 49152;
const PACKET_BYTES_MAX = 1500;
const GUARD = 0xa5;
const TEXT = new TextEncoder().encode(
  "GET /index.html HTTP/1.1\r\nHost: example.org\r\n".repeat(60),
);

/** Packets that repeat themselves more or less, and some that do not. */
const packets = fc.oneof(
  fc.uint8Array({ maxLength: PACKET_BYTES_MAX }),
  fc.uint8Array({ max: 3, maxLength: PACKET_BYTES_MAX }),
  fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.integer({ min: 1, max: 1500 }))
    .map(([pattern, length]) =>
      Uint8Array.from({ length }, (_, at) => pattern[at % pattern.length]!)
    ),
);

/** Streams that are gzip in part: valid ones with changes, and any deflate data behind a header. */
const broken = fc.oneof(
  fc.uint8Array({ maxLength: 600 }),
  fc.uint8Array({ maxLength: 600 }).map((body) =>
    new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, ...body])
  ),
  fc.tuple(
    packets,
    fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 6 }),
  )
    .map(([packet, changes]) => {
      const gzip = new Uint8Array(gzipSync(packet));
      for (const [at, change] of changes) gzip[at % gzip.length]! ^= change;
      return gzip;
    }),
);

function isThere(library: CodecLibrary): boolean {
  try {
    PacketCodec.open(new Arena(0), [library]).free();
    return true;
  } catch {
    return false;
  }
}

function testCodec(name: string, body: (codec: PacketCodec, arena: Arena) => void | Promise<void>) {
  for (const library of CODEC_LIBRARIES) {
    Deno.test({
      name: `${library}: ${name}`,
      ignore: !isThere(library),
      async fn() {
        const arena = new Arena(ARENA_BYTES);
        const codec = PacketCodec.open(arena, [library]);
        try {
          await body(codec, arena);
        } finally {
          codec.free();
        }
      },
    });
  }
}

function inflate(codec: PacketCodec, arena: Arena, gzip: Uint8Array, capacity = PACKET_BYTES_MAX) {
  arena.bytes.set(gzip, GZIP);
  const length = codec.inflate(GZIP, gzip.length, INFLATED, capacity);
  return length < 0 ? null : arena.bytes.slice(INFLATED, INFLATED + length);
}

testCodec("a packet becomes shorter and comes back, or stays plain", (codec, arena) => {
  fc.assert(fc.property(packets, (packet) => {
    arena.bytes.set(packet, PACKET);
    const length = codec.compress(PACKET, packet.length, GZIP, packet.length);
    ok(length === 0 || length < packet.length);
    deepEqual(arena.bytes.slice(PACKET, PACKET + packet.length), packet);
    if (length === 0) return;
    const gzip = arena.bytes.slice(GZIP, GZIP + length);
    deepEqual(new Uint8Array(gunzipSync(gzip)), packet);
    deepEqual(inflate(codec, arena, gzip), packet);
  }));
});

testCodec("random data never grows", (codec, arena) => {
  for (const length of [0, 1, 17, 18, 40, 255, 1400, 1500, 9000]) {
    arena.bytes.set(randomBytes(length), PACKET);
    equal(codec.compress(PACKET, length, GZIP, CODEC_BYTES_MAX), 0, `${length} bytes`);
  }
});

testCodec("packets of any length are inflated, whatever made the gzip", (codec, arena) => {
  for (const level of [0, 1, 6, 9]) {
    for (const length of [1, 100, 1400, 1500]) {
      const packet = TEXT.subarray(0, length);
      deepEqual(inflate(codec, arena, gzipSync(packet, { level })), packet);
    }
  }
  const jumbo = new Uint8Array(9000).map((_, at) => at % 251);
  deepEqual(inflate(codec, arena, gzipSync(jumbo), 9000), jumbo);
});

testCodec("the gzip program reads what it makes", async (codec, arena) => {
  arena.bytes.set(TEXT.subarray(0, 1400), PACKET);
  const length = codec.compress(PACKET, 1400, GZIP, 1400);
  ok(length > 0);
  const gzip = arena.bytes.slice(GZIP, GZIP + length);
  deepEqual(await pipe("gzip", ["-dc"], gzip), TEXT.slice(0, 1400));
});

testCodec("it reads what the gzip program makes", async (codec, arena) => {
  const packet = TEXT.slice(0, 1400);
  deepEqual(inflate(codec, arena, await pipe("gzip", ["-9c"], packet)), packet);
});

testCodec("a gzip is refused when it inflates to more than the capacity", (codec, arena) => {
  for (const length of [1501, 1_000_000]) {
    const bomb = gzipSync(new Uint8Array(length));
    arena.bytes.fill(GUARD, INFLATED);
    equal(inflate(codec, arena, bomb), null);
    ok(arena.bytes.subarray(INFLATED + 1500).every((byte) => byte === GUARD));
  }
  equal(inflate(codec, arena, gzipSync(new Uint8Array(1500)))?.length, 1500);
  equal(inflate(codec, arena, gzipSync(TEXT), 0), null);
});

testCodec("a gzip longer than any packet is refused", (codec, arena) => {
  const stored = gzipSync(randomBytes(CODEC_BYTES_MAX), { level: 0 });
  equal(inflate(codec, arena, stored, CODEC_BYTES_MAX), null);
});

testCodec("what is cut short, or has something behind it, is refused", (codec, arena) => {
  const whole = new Uint8Array(gzipSync(TEXT.subarray(0, 400)));
  for (let length = 0; length < whole.length; length++) {
    equal(inflate(codec, arena, whole.subarray(0, length)), null, `${length} bytes`);
  }
  for (const rest of [new Uint8Array(1), new Uint8Array(8), randomBytes(20), gzipSync(""), whole]) {
    equal(inflate(codec, arena, new Uint8Array([...whole, ...rest])), null);
  }
  ok(inflate(codec, arena, whole));
});

testCodec("changed data, length or checksum is refused", (codec, arena) => {
  const whole = new Uint8Array(gzipSync(TEXT.subarray(0, 400)));
  for (const at of [0, 1, 2, 12, whole.length - 8, whole.length - 1]) {
    const changed = whole.slice();
    changed[at]! ^= 0xff;
    equal(inflate(codec, arena, changed), null, `byte ${at}`);
  }
});

testCodec("bad input never throws, and nothing outside the capacity is written", (codec, arena) => {
  const { bytes } = arena;
  fc.assert(
    fc.property(broken, fc.integer({ min: 1, max: 1500 }), (gzip, capacity) => {
      bytes.fill(GUARD);
      bytes.set(gzip, GZIP);
      const length = codec.inflate(GZIP, gzip.length, INFLATED, capacity);
      ok(length >= -1 && length <= capacity);
      bytes.fill(GUARD, GZIP, GZIP + gzip.length);
      bytes.fill(GUARD, INFLATED, INFLATED + capacity);
      ok(bytes.every((byte) => byte === GUARD));
    }),
    { numRuns: 300 },
  );
});

testCodec("a gzip that has no room is given up, and writes nothing outside", (codec, arena) => {
  const { bytes } = arena;
  fc.assert(fc.property(packets, fc.integer({ min: 0, max: 1500 }), (packet, capacity) => {
    bytes.fill(GUARD);
    bytes.set(packet, PACKET);
    const length = codec.compress(PACKET, packet.length, GZIP, capacity);
    ok(length <= capacity);
    bytes.fill(GUARD, PACKET, PACKET + packet.length);
    bytes.fill(GUARD, GZIP, GZIP + capacity);
    ok(bytes.every((byte) => byte === GUARD));
  }));
});

testCodec("regions outside the arena are refused", (codec) => {
  const end = ARENA_BYTES - 100;
  throws(() => codec.compress(end, 101, 0, 1000), /the arena ends before/);
  throws(() => codec.compress(0, 1000, end, 1000), /the arena ends before/);
  throws(() => codec.compress(-1, 100, GZIP, 100), /the arena ends before/);
  throws(() => codec.inflate(end, 101, 0, 1500), /the arena ends before/);
  throws(() => codec.inflate(0, 100, end, 1500), /the arena ends before/);
  equal(codec.compress(0, CODEC_BYTES_MAX + 1, GZIP, 100), 0);
  codec.free();
});

Deno.test("the fastest library that is there is opened", () => {
  const codec = PacketCodec.open(new Arena(0));
  equal(codec.library, CODEC_LIBRARIES.find(isThere));
  codec.free();
});

Deno.test("without any library it says which to install", () => {
  throws(() => PacketCodec.open(new Arena(0), []), /Cannot compress: install one of/);
});

async function pipe(program: string, args: string[], input: Uint8Array<ArrayBuffer>) {
  const child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped" }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(input);
  await writer.close();
  const { code, stdout } = await child.output();
  equal(code, 0);
  return stdout;
}
