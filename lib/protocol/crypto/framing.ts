/**
 * The records of one session: their keys, numbers and nonces outbound, what opens them and whether
 * they are new inbound. It knows nothing of paths but their ids.
 */
import type { DropReason } from "../wire/drop_reason.ts";
import {
  DIRECTION_CLIENT_TO_SERVER,
  DIRECTION_SERVER_TO_CLIENT,
  type RecordHeader,
} from "../wire/header.ts";
import { directionKeys } from "./key_schedule.ts";
import { type Cipher, EPOCH_MS, EPOCH_PACKETS, ReceiveKeys, SendKeys } from "./key_epochs.ts";
import type { Outgoing } from "./outgoing.ts";
import { RecordVerifier, type Standing } from "./record_verifier.ts";
import { RecordWriter } from "./record_writer.ts";
import type { SessionOptions } from "../session/session_options.ts";

export class Framing<S extends Cipher, O extends Cipher> {
  readonly #x1: boolean;
  readonly #writer: RecordWriter<S>;
  readonly #receiveKeys: ReceiveKeys<O>;
  readonly #verifier: RecordVerifier<O>;

  constructor(options: SessionOptions<S, O>) {
    const { id, key, x1, suite, random, firstSequence, now } = options;
    this.#x1 = x1;
    const isClient = options.role === "client";
    const direction = isClient ? DIRECTION_CLIENT_TO_SERVER : DIRECTION_SERVER_TO_CLIENT;
    const { clientToServer, serverToClient } = x1
      ? directionKeys(key)
      : { clientToServer: key.slice(), serverToClient: key.slice() };
    const [own, peers] = isClient
      ? [clientToServer, serverToClient]
      : [serverToClient, clientToServer];
    const limits = x1 ? options.epochLimits ?? { packets: EPOCH_PACKETS, ms: EPOCH_MS } : null;
    const keys = new SendKeys(suite, own, limits, now);
    this.#writer = new RecordWriter({ id, x1, direction, keys, random, firstSequence });
    this.#receiveKeys = new ReceiveKeys(suite, peers, x1);
    this.#verifier = new RecordVerifier(this.#receiveKeys, direction);
  }

  /** Hot. Writes header and nonce at `offset`. Returns what seals the record. */
  write(
    view: DataView,
    offset: number,
    pathId: number,
    payloadLength: number,
    outgoing: Outgoing,
  ): S {
    return this.#writer.write(view, offset, pathId, payloadLength, outgoing);
  }

  /** Hot. The next sequence number of a stream; v1 has the one stream 0. */
  nextSequence(stream: number): number {
    return this.#writer.nextSequence(stream);
  }

  /** Moves to the next key when it is time. To be called once a batch. */
  advanceIfDue(now: number): void {
    this.#writer.advanceIfDue(now);
  }

  /** Why the last `openerFor` or `accept` gave null. */
  get refusal(): DropReason {
    return this.#verifier.refusal;
  }

  /** The counter of the x1 record last asked about. */
  get counter(): number {
    return this.#verifier.counter;
  }

  /** Hot. What may open the record at `offset`, or null: see `refusal`. Changes nothing. */
  openerFor(view: DataView, offset: number, header: RecordHeader, now: number): O | null {
    if (!this.#x1) return this.#receiveKeys.current.opener;
    return this.#verifier.openerFor(view, offset, header, now);
  }

  /** Hot. The x1 record last asked about is authentic: moves the replay window and the epoch. */
  accept(now: number): Standing | null {
    return this.#verifier.accept(now);
  }

  /** Wipes keys that can no longer be needed, and moves to the next one when it is time. */
  handleTimeout(now: number): void {
    this.#receiveKeys.handleTimeout(now);
    this.#writer.advanceIfDue(now);
  }

  /** Wipes the keys. */
  free(): void {
    this.#writer.free();
    this.#receiveKeys.free();
  }
}
