/** Gzip of packets by libdeflate: whole buffers in, whole buffers out, three times zlib's speed. */
import { type Arena, pinnedBytes } from "../memory/arena.ts";
import type { PacketGzip } from "./packet_gzip.ts";
import { LIBDEFLATE_SYMBOLS } from "./symbols.ts";

/** The fastest. Higher ones gain a hundredth on a packet and take half as long again. */
const LEVEL = 1;
const LIBDEFLATE_SUCCESS = 0;
const NULL = 0n;
const SIZE_T_BYTES = 8;

type Library = Deno.DynamicLibrary<typeof LIBDEFLATE_SYMBOLS>;

export class Libdeflate implements PacketGzip {
  readonly #library: Library;
  readonly #symbols: Library["symbols"];
  readonly #arena: Arena;
  /** Each length as the BigInt that a `size_t` is, made once. */
  readonly #lengths: readonly bigint[];
  readonly #compressor: bigint;
  readonly #decompressor: bigint;
  readonly #inputUsed = pinnedBytes(SIZE_T_BYTES);
  readonly #outputUsed = pinnedBytes(SIZE_T_BYTES);
  readonly #inputUsedAddress = this.#inputUsed.address;
  readonly #outputUsedAddress = this.#outputUsed.address;
  /** The lower halves: no length here needs the upper one. */
  readonly #inputLength = new Uint32Array(this.#inputUsed.bytes.buffer, 0, 1);
  readonly #outputLength = new Uint32Array(this.#outputUsed.bytes.buffer, 0, 1);
  #freed = false;

  /**
   * @param bytesMax the largest length and capacity that will be asked for.
   * @throws Error when libdeflate.so.0 is not on the machine, or has no memory.
   */
  constructor(arena: Arena, bytesMax: number) {
    this.#arena = arena;
    this.#lengths = Array.from({ length: bytesMax + 1 }, (_, length) => BigInt(length));
    this.#library = Deno.dlopen("libdeflate.so.0", LIBDEFLATE_SYMBOLS);
    this.#symbols = this.#library.symbols;
    this.#compressor = BigInt(this.#symbols.libdeflate_alloc_compressor(LEVEL));
    this.#decompressor = BigInt(this.#symbols.libdeflate_alloc_decompressor());
    if (this.#compressor === NULL || this.#decompressor === NULL) {
      this.free();
      throw new Error("Cannot compress: libdeflate has no memory");
    }
  }

  compress(source: number, length: number, destination: number, capacity: number): number {
    return this.#symbols.libdeflate_gzip_compress(
      this.#compressor,
      this.#arena.address(source),
      this.#lengths[length]!,
      this.#arena.address(destination),
      this.#lengths[capacity]!,
    );
  }

  inflate(source: number, length: number, destination: number, capacity: number): number {
    const result = this.#symbols.libdeflate_gzip_decompress_ex(
      this.#decompressor,
      this.#arena.address(source),
      this.#lengths[length]!,
      this.#arena.address(destination),
      this.#lengths[capacity]!,
      this.#inputUsedAddress,
      this.#outputUsedAddress,
    );
    // libdeflate stops behind the first member, and does not mind what follows.
    const isWhole = result === LIBDEFLATE_SUCCESS && this.#inputLength[0] === length;
    return isWhole ? this.#outputLength[0]! : -1;
  }

  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    const symbols = this.#symbols;
    if (this.#compressor !== NULL) symbols.libdeflate_free_compressor(this.#compressor);
    if (this.#decompressor !== NULL) symbols.libdeflate_free_decompressor(this.#decompressor);
    this.#library.close();
  }
}
