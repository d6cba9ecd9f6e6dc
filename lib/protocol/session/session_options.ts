/** What a session is made of. */
import type { Cipher } from "../crypto/key_epochs.ts";
import type { PacketProtectionOptions } from "../crypto/packet_protection.ts";
import type { PeerAddress } from "../path/peer_address.ts";
import type { SequenceCounter } from "../v1/sequence_counters.ts";
import type { FlowTable } from "../schedule/flow_table.ts";
import type { SchedulerName } from "../wire/scheduler_name.ts";

export type Role = "client" | "server";

export interface SessionOptions<S extends Cipher, O extends Cipher>
  extends PacketProtectionOptions<S, O> {
  readonly role: Role;
  /** Whether both sides speak x1; else v1. */
  readonly x1: boolean;
  /** x1: whether both sides know acknowledgements and the order extension; not unless told. */
  readonly ordersFlows?: boolean;
  /** Milliseconds of the clock that every later `now` is read from. */
  readonly now: number;
  /** v1: numbers packets; shared by the sessions of one client. A new one unless told. */
  readonly sequenceCounter?: SequenceCounter;
  /** v1: what to add to `now` for the time of day, which its heartbeats bear; 0 unless told. */
  readonly unixOffsetMs?: number;
  /** How packets are spread; null: on the server as the client does, on the client by flow. */
  readonly scheduler?: SchedulerName | null;
  /** Remembers where flows go; shared by the sessions of one driver, a new one unless told. */
  readonly flows?: FlowTable;
  /** On the client: the size of packets that is wanted, to be probed for; null: not probed. */
  readonly mtuCeiling?: number | null;
  /** On the server, for v1: the client's address inside the tunnel, as `ipv4Word` reads it. */
  readonly innerIpv4?: number;
  /** On the server, for v1: where the control connection came from. */
  readonly controlHost?: PeerAddress | null;
  /** How long the receiver waits for a packet out of order, in ms. */
  readonly flushTimeoutMs?: number;
}
