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
import type { EngineSession } from "../engine.ts";

/** The features of this machine beyond what every engine has. */
export function nativeFeatures(): string[] {
  return dictionaryCodecWorks(packetDictionary()) ? [dictionaryFeature()] : [];
}

export class Codecs {
  readonly #gzip: PacketCodec;
  /** Null where the machine has no libzstd. */
  readonly #zstd: DictionaryCodec | null;

  /** For packets in `arena`. */
  constructor(arena: Arena) {
    this.#gzip = PacketCodec.open(arena);
    const dictionary = packetDictionary();
    const works = dictionaryCodecWorks(dictionary);
    this.#zstd = works ? new DictionaryCodec(arena, dictionary) : null;
  }

  /**
   * Hot. Compresses the `length` bytes at offset `source` of the arena for a session. Returns the
   * length of what is then at `destination`, or 0 when that would be more than `capacity`.
   */
  compress(
    kind: number,
    source: number,
    length: number,
    destination: number,
    capacity: number,
  ): number {
    return kind === COMPRESSION_ZSTD
      ? this.#zstd!.compress(source, length, destination, capacity)
      : this.#gzip.compress(source, length, destination, capacity);
  }

  /** Hot. What the header of a compressed packet of the session says: COMPRESSION_ something. */
  kindFor(session: EngineSession): number {
    const agreed = session.usesDictionary === true && this.#zstd !== null;
    return agreed ? COMPRESSION_ZSTD : COMPRESSION_GZIP;
  }

  /**
   * Hot. Inflates a payload whose header says `kind`. Returns the length of what is then at
   * `destination`, or -1 unless it is a packet in a way that the session may use.
   */
  inflate(
    session: EngineSession,
    kind: number,
    source: number,
    length: number,
    destination: number,
  ): number {
    if (kind === COMPRESSION_GZIP) {
      return this.#gzip.inflate(source, length, destination, COMPRESSIBLE_BYTES_MAX);
    }
    if (kind !== COMPRESSION_ZSTD || this.kindFor(session) !== kind) return -1;
    return this.#zstd!.inflate(source, length, destination, COMPRESSIBLE_BYTES_MAX);
  }

  /** Gives the libraries' memory back. */
  free(): void {
    this.#gzip.free();
    this.#zstd?.free();
  }
}
