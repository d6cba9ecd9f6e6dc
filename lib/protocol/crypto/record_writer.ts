/** The outbound half of a session's framing: numbers records, and writes their headers and nonces. */
import {
  encodeHeader,
  encodeNonce,
  HEADER_LENGTH,
  NONCE_LENGTH,
  RecordHeader,
} from "../wire/header.ts";
import type { Cipher, SendKeys } from "./key_epochs.ts";
import type { Outgoing } from "./outgoing.ts";

/** Fills bytes with randomness fit for nonces. */
export type RandomSource = (into: Uint8Array<ArrayBuffer>) => void;

/** Streams a session sends in. */
const STREAMS_MAX = 64;
/** Random nonces are drawn many at a time. */
const NONCES_DRAWN = 1024;

interface RecordWriterOptions<S extends Cipher> {
  /** Of the session: u32, not 0. */
  readonly id: number;
  readonly x1: boolean;
  /** The nonce's direction byte. */
  readonly direction: number;
  readonly keys: SendKeys<S>;
  readonly random: RandomSource;
  /** 1 unless told. */
  readonly firstSequence?: number | undefined;
}

export class RecordWriter<S extends Cipher> {
  readonly #x1: boolean;
  readonly #direction: number;
  readonly #keys: SendKeys<S>;
  readonly #random: RandomSource;
  readonly #header = new RecordHeader();
  readonly #nonces = new Uint8Array(NONCES_DRAWN * NONCE_LENGTH);
  #noncesUsed = NONCES_DRAWN;
  readonly #sequences = new Uint32Array(STREAMS_MAX);

  constructor(options: RecordWriterOptions<S>) {
    this.#x1 = options.x1;
    this.#direction = options.direction;
    this.#keys = options.keys;
    this.#random = options.random;
    this.#header.session = options.id | 0;
    this.#sequences.fill((options.firstSequence ?? 1) - 1);
  }

  /** Hot. Writes header and nonce at `offset`. Returns what seals the record. */
  write(
    view: DataView,
    offset: number,
    pathId: number,
    payloadLength: number,
    outgoing: Outgoing,
  ): S {
    const header = this.#header;
    const keys = this.#keys;
    header.type = outgoing.type;
    header.payloadLength = payloadLength;
    header.compression = outgoing.compression;
    header.sequence = outgoing.sequence;
    if (this.#x1) {
      header.flags = outgoing.flags;
      header.pathId = pathId;
      header.epoch = keys.epoch;
      header.sendTime = outgoing.sendTime;
      header.stream = outgoing.stream;
      encodeHeader(view, offset, header);
      encodeNonce(view, offset, this.#direction, pathId, keys.nextCounter(pathId));
    } else {
      encodeHeader(view, offset, header);
      this.#writeRandomNonce(view, offset + HEADER_LENGTH);
    }
    return keys.sealer;
  }

  /** Hot. The next sequence number of a stream; v1 has the one stream 0. */
  nextSequence(stream: number): number {
    // 0 means "not sequenced", so the counter passes it over.
    const sequence = (this.#sequences[stream]! + 1) >>> 0 || 1;
    this.#sequences[stream] = sequence;
    return sequence;
  }

  /** Moves to the next key when it is time. To be called once a batch. */
  advanceIfDue(now: number): void {
    this.#keys.advanceIfDue(now);
  }

  free(): void {
    this.#keys.free();
  }

  #writeRandomNonce(view: DataView, offset: number): void {
    if (this.#noncesUsed === NONCES_DRAWN) {
      this.#random(this.#nonces);
      this.#noncesUsed = 0;
    }
    const start = this.#noncesUsed++ * NONCE_LENGTH;
    for (let i = 0; i < NONCE_LENGTH; i++) view.setUint8(offset + i, this.#nonces[start + i]!);
  }
}
