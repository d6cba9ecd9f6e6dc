/** Writes the records of x1: each path counts its own, and the counter is the nonce. */
import { encodeHeader, encodeNonce, RecordHeader, STREAMS_MAX } from "../wire/header.ts";
import type { Cipher, SendKeys } from "./key_epochs.ts";
import type { OutgoingRecord } from "./outgoing_record.ts";
import type { RecordWriter } from "./packet_protection.ts";

export class CounterRecordWriter<S extends Cipher> implements RecordWriter<S> {
  counter = 0;
  epoch = 0;
  readonly #direction: number;
  readonly #keys: SendKeys<S>;
  readonly #header = new RecordHeader();
  readonly #sequences = new Uint32Array(STREAMS_MAX);

  /** @param direction the nonce's direction byte. Takes `keys` over. */
  constructor(id: number, direction: number, keys: SendKeys<S>, firstSequence = 1) {
    this.#direction = direction;
    this.#keys = keys;
    this.#header.session = id | 0;
    this.#sequences.fill(firstSequence - 1);
  }

  write(
    view: DataView,
    offset: number,
    pathId: number,
    payloadLength: number,
    outgoing: OutgoingRecord,
  ): S {
    const header = this.#header;
    const keys = this.#keys;
    header.type = outgoing.type;
    header.payloadLength = payloadLength;
    header.compression = outgoing.compression;
    header.sequence = outgoing.sequence;
    header.flags = outgoing.flags;
    header.pathId = pathId;
    header.epoch = keys.epoch;
    header.sendTime = outgoing.sendTime;
    header.stream = outgoing.stream;
    encodeHeader(view, offset, header);
    this.counter = keys.nextCounter(pathId);
    this.epoch = keys.epoch & 0xff;
    encodeNonce(view, offset, this.#direction, pathId, this.counter);
    return keys.sealer;
  }

  nextSequence(stream: number): number {
    // 0 means "not sequenced", so the counter passes it over.
    const sequence = (this.#sequences[stream]! + 1) >>> 0 || 1;
    this.#sequences[stream] = sequence;
    return sequence;
  }

  advanceIfDue(now: number): void {
    this.#keys.advanceIfDue(now);
  }

  free(): void {
    this.#keys.free();
  }
}
