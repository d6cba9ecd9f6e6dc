/** What a session is made of. */
import type { Cipher } from "../crypto/key_epochs.ts";
import type { PacketProtectionOptions } from "../crypto/packet_protection.ts";
import type { FlowTable } from "../schedule/flow_table.ts";
import type { SchedulerName } from "../wire/scheduler_name.ts";
import type { WireFormat } from "./wire.ts";

export type Role = "client" | "server";

export interface SessionOptions<S extends Cipher, O extends Cipher>
  extends PacketProtectionOptions<S, O> {
  readonly role: Role;
  /** What both sides speak: `x1Wire`, or `v1Wire`. */
  readonly wire: WireFormat;
  /** Milliseconds of the clock that every later `now` is read from. */
  readonly now: number;
  /** How packets are spread; null: on the server as the client does, on the client by flow. */
  readonly scheduler?: SchedulerName | null;
  /** Remembers where flows go; shared by the sessions of one driver, a new one unless told. */
  readonly flows?: FlowTable;
  /** How long the receiver waits for a packet out of order, in ms. */
  readonly flushTimeoutMs?: number;
}
