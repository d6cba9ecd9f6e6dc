/**
 * Packet protection of one session (as in RFC 9001, section 5): a writer numbers and writes its records,
 * and a verifier finds their keys and checks them. It knows paths only by their ids.
 */
import type { DropReason } from "../wire/drop_reason.ts";
import {
  DIRECTION_CLIENT_TO_SERVER,
  DIRECTION_SERVER_TO_CLIENT,
  type RecordHeader,
} from "../wire/header.ts";
import { CounterRecordVerifier } from "./counter_record_verifier.ts";
import { CounterRecordWriter } from "./counter_record_writer.ts";
import {
  type Cipher,
  type CipherSuite,
  EPOCH_MS,
  EPOCH_PACKETS,
  type EpochLimits,
  ReceiveKeys,
  SendKeys,
} from "./key_epochs.ts";
import { directionKeys } from "./key_schedule.ts";
import type { OutgoingRecord } from "./outgoing_record.ts";

/** Fills bytes with randomness fit for nonces. */
export type RandomSource = (into: Uint8Array<ArrayBuffer>) => void;

/** Whether an authentic record is the newest of its path. */
export type RecordAge = "newest" | "older";

/** Outbound: numbers records, and writes their headers and nonces. */
export interface RecordWriter<S extends Cipher> {
  /** Hot. Writes header and nonce at `offset`. Returns what seals the record. */
  write(
    view: DataView,
    offset: number,
    pathId: number,
    payloadLength: number,
    outgoing: OutgoingRecord,
  ): S;
  /** Hot. The next sequence number of a stream, never 0. */
  nextSequence(stream: number): number;
  /** Of the record written last: its counter on its path, and the low 8 bits of its key's epoch. */
  readonly counter: number;
  readonly epoch: number;
  /** Moves to the next key when it is due. Call it once per batch. */
  advanceIfDue(now: number): void;
  /** Wipes the keys. */
  free(): void;
}

/** Inbound: finds the key of a record, and tells whether it is new. */
export interface RecordVerifier<O extends Cipher> {
  /** Why the last call gave null. */
  readonly refusal: DropReason;
  /** The counter of the record last asked about. */
  readonly counter: number;
  /** Hot. What may open the record at `offset`, or null: see `refusal`. Changes nothing. */
  openerFor(view: DataView, offset: number, header: RecordHeader, now: number): O | null;
  /** Hot. The record last asked about is authentic: moves the replay window and the epoch. */
  accept(now: number): RecordAge | null;
  /** Wipes keys that can no longer be needed. */
  handleTimeout(now: number): void;
  /** Wipes the keys. */
  free(): void;
}

export interface PacketProtection<S extends Cipher, O extends Cipher> {
  readonly writer: RecordWriter<S>;
  readonly verifier: RecordVerifier<O>;
}

export interface PacketProtectionOptions<S extends Cipher, O extends Cipher> {
  readonly role: "client" | "server";
  /** Of the session: u32, not 0. */
  readonly id: number;
  /** 32 bytes from the control exchange; copied. */
  readonly key: Uint8Array;
  readonly suite: CipherSuite<S, O>;
  readonly random: RandomSource;
  readonly now: number;
  readonly epochLimits?: EpochLimits;
  /** The first sequence number of every stream; 1 unless told, as the peer expects. For tests. */
  readonly firstSequence?: number;
}

/** Keys of their own for each direction and epoch, and counters for nonces (x1). */
export function counterProtection<S extends Cipher, O extends Cipher>(
  options: PacketProtectionOptions<S, O>,
): PacketProtection<S, O> {
  const { role, id, key, suite, firstSequence, now } = options;
  const { clientToServer, serverToClient } = directionKeys(key);
  const isClient = role === "client";
  const direction = isClient ? DIRECTION_CLIENT_TO_SERVER : DIRECTION_SERVER_TO_CLIENT;
  const [own, peers] = isClient
    ? [clientToServer, serverToClient]
    : [serverToClient, clientToServer];
  const limits = options.epochLimits ?? { packets: EPOCH_PACKETS, ms: EPOCH_MS };
  const keys = new SendKeys(suite, own, limits, now);
  return {
    writer: new CounterRecordWriter(id, direction, keys, firstSequence),
    verifier: new CounterRecordVerifier(new ReceiveKeys(suite, peers), direction),
  };
}
