/**
 * Packets to gzip (RFC 1952) and back, by the fastest library of the machine: libdeflate, else
 * zlib, else the runtime's own. All of them promise the same: what they write stays within the
 * capacity they were given, whatever the input, and nothing but one whole member is inflated.
 */
import { gunzipPacket, gzipPacket } from "../../protocol/compression/packet_gzip.ts";
import { Libz } from "../libz/libz.ts";
import { Arena } from "../memory/arena.ts";
import { Libdeflate } from "./libdeflate.ts";
import type { PacketGzip } from "./packet_gzip.ts";

/** The longest packet, gzip or capacity: that of an interface with the largest MTU, and some. */
export const CODEC_BYTES_MAX = 9216;

/** The fastest first. */
export const CODEC_LIBRARIES = ["libdeflate", "libz", "node:zlib"] as const;
export type CodecLibrary = typeof CODEC_LIBRARIES[number];

export class PacketCodec {
  readonly library: CodecLibrary;
  readonly #gzip: PacketGzip;
  readonly #bytesMax: number;

  private constructor(library: CodecLibrary, gzip: PacketGzip, arena: Arena) {
    this.library = library;
    this.#gzip = gzip;
    this.#bytesMax = arena.bytes.length;
  }

  /**
   * Opens the first of `libraries` that is there and works, for packets in `arena`.
   * @throws Error when none does, which the runtime's own never causes.
   */
  static open(arena: Arena, libraries: readonly CodecLibrary[] = CODEC_LIBRARIES): PacketCodec {
    for (const library of libraries) {
      try {
        if (works(library)) return new PacketCodec(library, openLibrary(library, arena), arena);
      } catch {
        // Not on the machine, or not as we know it: the next one.
      }
    }
    throw new Error(`Cannot compress: install one of ${libraries.join(", ")}`);
  }

  /**
   * Hot. Writes the gzip of the `length` bytes at offset `source` of the arena to `destination`,
   * at most `capacity` bytes of it; the two must not overlap.
   * @returns its length, or 0 when it is longer than that or not shorter than the packet: then what
   * was written is of no use.
   * @throws RangeError for regions outside the arena.
   */
  compress(source: number, length: number, destination: number, capacity: number): number {
    if (length > CODEC_BYTES_MAX) return 0;
    const limit = Math.min(capacity, length - 1);
    if (limit <= 0) return 0;
    this.#checkRegion(source, length);
    this.#checkRegion(destination, limit);
    return this.#gzip.compress(source, length, destination, limit);
  }

  /**
   * Hot. Inflates the `length` bytes at offset `source` of the arena to `destination`, which is not
   * written beyond `capacity` (at most CODEC_BYTES_MAX) bytes; the two must not overlap.
   * @returns the length of the packet, or -1 unless the source is one whole gzip member, and nothing
   * else, of a packet that has room.
   * @throws RangeError for regions outside the arena.
   */
  inflate(source: number, length: number, destination: number, capacity: number): number {
    if (length <= 0 || length > CODEC_BYTES_MAX) return -1;
    const limit = Math.min(capacity, CODEC_BYTES_MAX);
    if (limit <= 0) return -1;
    this.#checkRegion(source, length);
    this.#checkRegion(destination, limit);
    return this.#gzip.inflate(source, length, destination, limit);
  }

  /** Gives the library's memory back. May be called again; nothing else may be called afterwards. */
  free(): void {
    this.#gzip.free();
  }

  #checkRegion(offset: number, length: number): void {
    if (offset < 0 || offset + length > this.#bytesMax) {
      throw new RangeError(`Cannot use ${length} bytes at ${offset}: the arena ends before`);
    }
  }
}

function openLibrary(library: CodecLibrary, arena: Arena): PacketGzip {
  switch (library) {
    case "libdeflate":
      return new Libdeflate(arena, CODEC_BYTES_MAX);
    case "libz":
      return new Libz(arena);
    case "node:zlib":
      return new NodeZlib(arena);
    default:
      throw new Error(`Cannot open ${library satisfies never}`);
  }
}

/** Whether the library brings a packet there and back. */
function works(library: CodecLibrary): boolean {
  const length = 256;
  const arena = new Arena(3 * length);
  const packet = arena.bytes.subarray(0, length);
  for (let at = 0; at < length; at++) packet[at] = at % 10;
  const sent = packet.slice();
  const gzip = openLibrary(library, arena);
  try {
    const compressed = gzip.compress(0, length, length, length - 1);
    packet.fill(0);
    return compressed > 0 && gzip.inflate(length, compressed, 2 * length, length) === length &&
      arena.bytes.subarray(2 * length).every((byte, at) => byte === sent[at]);
  } finally {
    gzip.free();
  }
}

class NodeZlib implements PacketGzip {
  readonly #bytes: Uint8Array;

  constructor(arena: Arena) {
    this.#bytes = arena.bytes;
  }

  compress(source: number, length: number, destination: number, capacity: number): number {
    return this.#put(
      gzipPacket(this.#bytes.subarray(source, source + length), capacity),
      destination,
    ) ?? 0;
  }

  inflate(source: number, length: number, destination: number, capacity: number): number {
    return this.#put(
      gunzipPacket(this.#bytes.subarray(source, source + length), capacity),
      destination,
    ) ?? -1;
  }

  #put(made: Uint8Array | null, destination: number): number | undefined {
    if (made !== null) this.#bytes.set(made, destination);
    return made?.length;
  }

  free(): void {}
}
