/**
 * The compressions of the native engine, and which of them a session uses: zstd with the dictionary
 * where both peers have it, else gzip.
 */
import { PacketCodec } from "../../ffi/libdeflate/packet_codec.ts";
import { DictionaryCodec, dictionaryCodecWorks } from "../../ffi/libzstd/dictionary_codec.ts";
import type { Arena } from "../../ffi/memory/arena.ts";
import { dictionaryFeature, packetDictionary } from "../../protocol/compression/dictionary.ts";
import { COMPRESSIBLE_BYTES_MAX } from "../../protocol/compression/flow_compression.ts";
import { COMPRESSION_GZIP, COMPRESSION_ZSTD } from "../../protocol/wire/header.ts";
import { FEATURE_ECN } from "../driver/features.ts";
import type { PacketCodecs } from "../driver/ends.ts";
import type { EngineSession } from "../engine.ts";

/** The features of this machine beyond what every engine has. */
export function nativeFeatures(): string[] {
  return dictionaryCodecWorks(packetDictionary())
    ? [FEATURE_ECN, dictionaryFeature()]
    : [FEATURE_ECN];
}

export class Codecs implements PacketCodecs {
  compressionMs = 0;
  readonly #gzip: PacketCodec;
  /** Null where the machine has no libzstd. */
  readonly #zstd: DictionaryCodec | null;
  readonly #compressedAt: number;
  readonly #inflatedAt: number;

  /**
   * For packets in `arena`.
   * @param compressedAt where a compressed packet goes.
   * @param inflatedAt where an inflated packet goes.
   */
  constructor(arena: Arena, compressedAt: number, inflatedAt: number) {
    this.#compressedAt = compressedAt;
    this.#inflatedAt = inflatedAt;
    this.#gzip = PacketCodec.open(arena);
    const dictionary = packetDictionary();
    const works = dictionaryCodecWorks(dictionary);
    this.#zstd = works ? new DictionaryCodec(arena, dictionary) : null;
  }

  compress(
    kind: number,
    _memory: unknown,
    packet: number,
    length: number,
    capacity: number,
  ): number {
    const startMs = performance.now();
    const compressed = kind === COMPRESSION_ZSTD
      ? this.#zstd!.compress(packet, length, this.#compressedAt, capacity)
      : this.#gzip.compress(packet, length, this.#compressedAt, capacity);
    this.compressionMs = performance.now() - startMs;
    return compressed;
  }

  kindFor(session: EngineSession): number {
    const agreed = session.usesDictionary === true && this.#zstd !== null;
    return agreed ? COMPRESSION_ZSTD : COMPRESSION_GZIP;
  }

  inflate(
    session: EngineSession,
    kind: number,
    _memory: unknown,
    payload: number,
    length: number,
  ): number {
    const at = this.#inflatedAt;
    if (kind === COMPRESSION_GZIP) {
      return this.#gzip.inflate(payload, length, at, COMPRESSIBLE_BYTES_MAX);
    }
    if (kind !== COMPRESSION_ZSTD || this.kindFor(session) !== kind) return -1;
    return this.#zstd!.inflate(payload, length, at, COMPRESSIBLE_BYTES_MAX);
  }

  /** Gives the libraries' memory back. */
  free(): void {
    this.#gzip.free();
    this.#zstd?.free();
  }
}
