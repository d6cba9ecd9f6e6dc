import { deepEqual, equal, ok } from "node:assert/strict";
import { Arena } from "../../ffi/memory/arena.ts";
import { dictionaryFeature } from "../../protocol/compression/dictionary.ts";
import { DEFAULT_TUNING } from "../../protocol/session/session_tuning.ts";
import { COMPRESSION_GZIP, COMPRESSION_ZSTD } from "../../protocol/wire/header.ts";
import { FEATURE_ECN } from "../driver/features.ts";
import type { EngineSession } from "../engine.ts";
import { Codecs, nativeFeatures } from "./codecs.ts";

const PACKET = 0, SENT = 2048, INFLATED = 4096, ARENA_BYTES = 6144;
const COMPRESSION_UNKNOWN = 3;
const TEXT = new TextEncoder().encode(
  "<p>It is one of the most important things that you have to know about this.</p>\n".repeat(12),
);

function session(usesDictionary?: boolean): EngineSession {
  return {
    ...{ role: "server", id: 1, key: new Uint8Array(32), x1: true, name: "test", mtu: 1400 },
    ...(usesDictionary === undefined ? {} : { usesDictionary }),
    ipv4: "10.8.0.2",
    ipv6: "fd00:8::2",
    reorderBufferSize: 8,
    reorderFlushTimeoutMs: 50,
    tuning: DEFAULT_TUNING,
  };
}

function testCodecs(name: string, body: (codecs: Codecs, arena: Arena) => void): void {
  Deno.test({
    name,
    ignore: !nativeFeatures().includes(dictionaryFeature()),
    fn() {
      const arena = new Arena(ARENA_BYTES);
      const codecs = new Codecs(arena, SENT, INFLATED);
      try {
        arena.bytes.set(TEXT, PACKET);
        body(codecs, arena);
      } finally {
        codecs.free();
      }
    },
  });
}

testCodecs("with the dictionary where both peers have it, else with gzip", (codecs) => {
  deepEqual(nativeFeatures(), [FEATURE_ECN, dictionaryFeature()]);
  equal(codecs.kindFor(session(true)), COMPRESSION_ZSTD);
  equal(codecs.kindFor(session(false)), COMPRESSION_GZIP);
  equal(codecs.kindFor(session()), COMPRESSION_GZIP);
});

testCodecs("packets come back, either way", (codecs, { bytes }) => {
  const { length } = TEXT;
  for (const kind of [COMPRESSION_ZSTD, COMPRESSION_GZIP]) {
    const sent = codecs.compress(kind, null, PACKET, length, length);
    ok(sent > 0 && sent < length);
    equal(codecs.inflate(session(true), kind, null, SENT, sent), length);
    deepEqual(bytes.slice(INFLATED, INFLATED + length), TEXT);
  }
});

testCodecs("what was not agreed on, or is unknown, is refused", (codecs) => {
  const sent = codecs.compress(COMPRESSION_ZSTD, null, PACKET, TEXT.length, TEXT.length);
  const inflate = (agreed: boolean, kind: number) =>
    codecs.inflate(session(agreed), kind, null, SENT, sent);
  equal(inflate(false, COMPRESSION_ZSTD), -1);
  equal(inflate(true, COMPRESSION_UNKNOWN), -1);
  equal(inflate(true, COMPRESSION_GZIP), -1);
});
