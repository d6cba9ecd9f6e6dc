/** Gzip of packets by zlib, which nearly every machine has. */
import { type Arena, pinnedBytes } from "../memory/arena.ts";
import type { PacketGzip } from "../libdeflate/packet_gzip.ts";
import { LIBZ_SYMBOLS } from "./symbols.ts";

const LEVEL = 1;
const Z_DEFLATED = 8;
const Z_DEFAULT_STRATEGY = 0;
const Z_FINISH = 4;
const Z_OK = 0;
const Z_STREAM_END = 1;
/** Added to the window's bits: the stream is gzip. */
const GZIP = 16;
/** 2048 bytes, more than a packet has; a larger window only takes longer to reset. */
const DEFLATE_WINDOW_BITS = 11;
/** 2048 symbols to a block, so that a packet is one block. */
const DEFLATE_MEMORY_LEVEL = 5;
const INFLATE_WINDOW_BITS = 15;

/** struct z_stream (zlib.h) where pointers and longs have 8 bytes, as wherever Deno runs. */
const Z_STREAM_BYTES = 112;
const NEXT_IN = 0;
const AVAILABLE_IN = 8;
const NEXT_OUT = 24;
const AVAILABLE_OUT = 32;

type Library = Deno.DynamicLibrary<typeof LIBZ_SYMBOLS>;

export class Libz implements PacketGzip {
  readonly #library: Library;
  readonly #symbols: Library["symbols"];
  readonly #arena: Arena;
  readonly #deflate = new Stream();
  readonly #inflate = new Stream();
  #freed = false;

  /** @throws Error when libz.so.1 is not on the machine, is of another make, or has no memory. */
  constructor(arena: Arena) {
    this.#arena = arena;
    this.#library = Deno.dlopen("libz.so.1", LIBZ_SYMBOLS);
    const symbols = this.#symbols = this.#library.symbols;
    const version = BigInt(symbols.zlibVersion());
    const started = symbols.deflateInit2_(
          this.#deflate.address,
          LEVEL,
          Z_DEFLATED,
          DEFLATE_WINDOW_BITS + GZIP,
          DEFLATE_MEMORY_LEVEL,
          Z_DEFAULT_STRATEGY,
          version,
          Z_STREAM_BYTES,
        ) === Z_OK && symbols.inflateInit2_(
          this.#inflate.address,
          INFLATE_WINDOW_BITS + GZIP,
          version,
          Z_STREAM_BYTES,
        ) === Z_OK;
    if (!started) {
      this.free();
      throw new Error("Cannot compress: zlib does not start");
    }
  }

  compress(source: number, length: number, destination: number, capacity: number): number {
    const stream = this.#deflate;
    const arena = this.#arena;
    this.#symbols.deflateReset(stream.address);
    stream.point(arena.address(source), length, arena.address(destination), capacity);
    const result = this.#symbols.deflate(stream.address, Z_FINISH);
    return result === Z_STREAM_END ? capacity - stream.availableOut : 0;
  }

  inflate(source: number, length: number, destination: number, capacity: number): number {
    const stream = this.#inflate;
    const arena = this.#arena;
    this.#symbols.inflateReset(stream.address);
    stream.point(arena.address(source), length, arena.address(destination), capacity);
    const result = this.#symbols.inflate(stream.address, Z_FINISH);
    const isWhole = result === Z_STREAM_END && stream.availableIn === 0;
    return isWhole ? capacity - stream.availableOut : -1;
  }

  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    // Refused, which is harmless, for a stream that was never started.
    this.#symbols.deflateEnd(this.#deflate.address);
    this.#symbols.inflateEnd(this.#inflate.address);
    this.#library.close();
  }
}

/** A z_stream, all zero at first: zlib's own memory functions. */
class Stream {
  readonly #memory = pinnedBytes(Z_STREAM_BYTES);
  readonly #view = new DataView(this.#memory.bytes.buffer);
  readonly address = this.#memory.address;

  point(input: bigint, inputLength: number, output: bigint, outputLength: number): void {
    const view = this.#view;
    view.setBigUint64(NEXT_IN, input, true);
    view.setUint32(AVAILABLE_IN, inputLength, true);
    view.setBigUint64(NEXT_OUT, output, true);
    view.setUint32(AVAILABLE_OUT, outputLength, true);
  }

  get availableIn(): number {
    return this.#view.getUint32(AVAILABLE_IN, true);
  }

  get availableOut(): number {
    return this.#view.getUint32(AVAILABLE_OUT, true);
  }
}
