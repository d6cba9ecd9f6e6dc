/** What a session is made of. */
import type { Cipher, CipherSuite, EpochLimits } from "../crypto/key_epochs.ts";
import type { SchedulerName } from "../schedule/scheduler.ts";
import type { RandomSource } from "../crypto/record_writer.ts";

export type Role = "client" | "server";

export interface SessionOptions<S extends Cipher, O extends Cipher> {
  readonly role: Role;
  /** u32, not 0. */
  readonly id: number;
  /** 32 bytes from the control exchange; copied. */
  readonly key: Uint8Array;
  /** Whether both sides speak x1; else v1. */
  readonly x1: boolean;
  readonly suite: CipherSuite<S, O>;
  readonly random: RandomSource;
  /** Milliseconds of the clock that every later `now` is read from. */
  readonly now: number;
  readonly epochLimits?: EpochLimits;
  /** How packets are spread; null: on the server as the client does, on the client by flow. */
  readonly scheduler?: SchedulerName | null;
  /** On the client: the size of packets that is wanted, to be probed for; null: not probed. */
  readonly mtuCeiling?: number | null;
  /** How long the receiver waits for a packet out of order, in ms. */
  readonly flushTimeoutMs?: number;
  /** The first sequence number of every stream; 1 unless told, as the peer expects. For tests. */
  readonly firstSequence?: number;
}
