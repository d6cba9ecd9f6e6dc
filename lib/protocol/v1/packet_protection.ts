/**
 * Packet protection of the old wire: one key for both directions that never changes, random nonces,
 * no replay window, and one sequence of numbers for all packets.
 */
import type { Cipher } from "../crypto/key_epochs.ts";
import { wipeKey } from "../crypto/key_schedule.ts";
import type { OutgoingRecord } from "../crypto/outgoing_record.ts";
import type {
  PacketProtection,
  PacketProtectionOptions,
  RandomSource,
  RecordAge,
  RecordVerifier,
  RecordWriter,
} from "../crypto/packet_protection.ts";
import type { DropReason } from "../wire/drop_reason.ts";
import {
  encodeHeader,
  FLAG_ORDERED,
  HEADER_LENGTH,
  NONCE_LENGTH,
  RecordHeader,
  TYPE_PACKET,
} from "../wire/header.ts";
import { OwnNonces } from "./own_nonces.ts";
import type { SequenceCounter } from "./sequence_counters.ts";

/** Random nonces are drawn many at a time. */
const NONCES_DRAWN = 1024;

/** @param numbers of packets; shared by the sessions of one client. New ones unless told. */
export function v1Protection<S extends Cipher, O extends Cipher>(
  options: PacketProtectionOptions<S, O>,
  numbers?: SequenceCounter,
): PacketProtection<S, O> {
  const { id, key, suite, random, firstSequence = 1 } = options;
  const counter = numbers ?? { last: firstSequence - 1 };
  const copy = key.slice();
  const own = new OwnNonces();
  const writer = new V1RecordWriter(id, suite.sealer(copy), own, random, counter);
  const verifier = new V1RecordVerifier(suite.opener(copy), own);
  wipeKey(copy);
  return { writer, verifier };
}

class V1RecordWriter<S extends Cipher> implements RecordWriter<S> {
  /** v1 has nonces of chance, and one key. */
  readonly counter = 0;
  readonly epoch = 0;
  readonly #sealer: S;
  readonly #own: OwnNonces;
  readonly #random: RandomSource;
  readonly #header = new RecordHeader();
  readonly #nonces = new Uint8Array(NONCES_DRAWN * NONCE_LENGTH);
  #noncesUsed = NONCES_DRAWN;
  readonly #counter: SequenceCounter;

  constructor(
    id: number,
    sealer: S,
    own: OwnNonces,
    random: RandomSource,
    counter: SequenceCounter,
  ) {
    this.#sealer = sealer;
    this.#own = own;
    this.#random = random;
    this.#header.session = id | 0;
    this.#counter = counter;
  }

  write(
    view: DataView,
    offset: number,
    _pathId: number,
    payloadLength: number,
    outgoing: OutgoingRecord,
  ): S {
    const header = this.#header;
    header.type = outgoing.type;
    header.payloadLength = payloadLength;
    header.compression = outgoing.compression;
    header.sequence = outgoing.sequence;
    encodeHeader(view, offset, header);
    this.#writeRandomNonce(view, offset + HEADER_LENGTH);
    if (outgoing.type !== TYPE_PACKET) this.#own.add(view, offset);
    return this.#sealer;
  }

  /** All packets are numbered in one sequence, whatever their stream. */
  nextSequence(_stream: number): number {
    // 0 means "not sequenced", so the counter passes it over.
    const sequence = (this.#counter.last + 1) >>> 0 || 1;
    this.#counter.last = sequence;
    return sequence;
  }

  advanceIfDue(_now: number): void {}

  free(): void {
    this.#sealer.free();
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

class V1RecordVerifier<O extends Cipher> implements RecordVerifier<O> {
  /** The only one there is. */
  readonly refusal: DropReason = "wrong direction";
  readonly counter = 0;
  readonly #opener: O;
  readonly #own: OwnNonces;

  constructor(opener: O, own: OwnNonces) {
    this.#opener = opener;
    this.#own = own;
  }

  openerFor(view: DataView, offset: number, header: RecordHeader): O | null {
    if (header.type !== TYPE_PACKET && this.#own.has(view, offset)) return null;
    // v1 has no flags and one stream, in which everything with a number has its order.
    header.flags = header.sequence === 0 ? 0 : FLAG_ORDERED;
    header.stream = 0;
    return this.#opener;
  }

  accept(): RecordAge {
    return "older";
  }

  handleTimeout(): void {}

  free(): void {
    this.#opener.free();
  }
}
