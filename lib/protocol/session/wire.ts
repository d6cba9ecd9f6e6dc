/**
 * Where x1 and the old wire differ. A session and its driver use these interfaces and never ask for the
 * version: `x1_wire.ts` implements them for x1, `v1/v1_wire.ts` for the old wire.
 */
import type { Cipher } from "../crypto/key_epochs.ts";
import type {
  PacketProtectionOptions,
  RecordVerifier,
  RecordWriter,
} from "../crypto/packet_protection.ts";
import type { FlowKey } from "../packet/flow_key.ts";
import type { AddressChallenges, ChallengeForm } from "../path/address_challenges.ts";
import type { Outbox } from "../path/outbox.ts";
import type { PathOpening } from "../path/path_opening.ts";
import type { PathTable } from "../path/path_table.ts";
import type { PeerAddress } from "../path/peer_address.ts";
import type { SessionPath } from "../path/session_path.ts";
import type { Scheduling } from "../schedule/scheduling.ts";
import type { DropReason } from "../wire/drop_reason.ts";
import type { RecordHeader } from "../wire/header.ts";
import type { Acknowledgements } from "./acknowledgements.ts";
import type { Repairs } from "./repairs.ts";

/** What is known of a wire before there is a session. */
export interface WireFormat {
  /** How long a client that works may be silent on a path, in ms. */
  readonly clientSilenceMs: number;
  /** Whether the peer delivers packets that need no order as they come. */
  readonly deliversAtOnce: boolean;
  /** Whether both peers know acknowledgements and the order extension. */
  readonly ordersFlows: boolean;
  /** Added to `now` in the time that heartbeats carry, in ms. */
  readonly clockOffsetMs: number;
  /** How the server has a client prove its address. */
  readonly challenge: ChallengeForm;
  /** The wire of one session. The key in `options` is copied. */
  open<S extends Cipher, O extends Cipher>(
    options: PacketProtectionOptions<S, O>,
    parts: SessionParts,
  ): Wire<S, O>;
}

/** The parts of a session that its wire works on. */
export interface SessionParts {
  readonly paths: PathTable;
  readonly outbox: Outbox;
  readonly scheduling: Scheduling;
  readonly challenges: AddressChallenges;
  readonly opening: PathOpening;
  /** Whether the peer may choose how packets are spread. */
  readonly followsPeer: boolean;
  /** Judges all paths. */
  judge(now: number): void;
  /** The same, where the last time was a while ago. */
  judgeIfDue(now: number): void;
}

export interface Wire<S extends Cipher, O extends Cipher> {
  readonly name: "v1" | "x1";
  readonly writer: RecordWriter<S>;
  readonly verifier: RecordVerifier<O>;
  /** Null: the peers did not agree on them. */
  readonly acknowledgements: Acknowledgements | null;
  /** Null: the peers did not agree on repair records. */
  readonly repairs: Repairs | null;
  /** Whether the receiver completes TCP and UDP checksums. */
  readonly takesPartialChecksums: boolean;
  /** Whether this side's own records, sent back to it, fail to open; else the packet has to tell. */
  readonly tellsDirection: boolean;
  /** Whether each record is accepted once. */
  readonly refusesReplays: boolean;
  /** Whether all records with a sequence number, control records included, share one sequence. */
  readonly hasOneSequence: boolean;
  /** The path of records that name none; null: such records are refused. */
  readonly stray: SessionPath | null;
  /** Why the last `accept` gave null. */
  readonly refusal: DropReason;
  /** Hot. The largest packet that all paths in use carry, in bytes; Infinity: that is not known. */
  readonly packetBytesMax: number;

  /** Hot. See `Session.accept`. Returns the path that the authentic record came on, or null. */
  accept(
    header: RecordHeader,
    view: DataView,
    offset: number,
    socket: number,
    from: PeerAddress | null,
    now: number,
  ): SessionPath | null;
  /** Hot. The client has sent packets on `path`. */
  packetSent(path: SessionPath, now: number): void;
  /** Hot. A packet of the peer's has come on `path`. */
  packetReceived(path: SessionPath, now: number): void;
  /** A heartbeat, or its answer, has come on `path`. */
  heartbeatReceived(path: SessionPath, now: number): void;
  /** Hot. Whether the packet that `flow` was read from proves an address, and goes no further. */
  takeProof(view: DataView, flow: FlowKey): boolean;
  /** Takes a record that is neither packet nor heartbeat. Returns why it is dropped, or null. */
  receiveControl(
    type: number,
    payload: Uint8Array,
    path: SessionPath,
    now: number,
  ): DropReason | null;
  /** The path came up, perhaps over another route. */
  pathUp(path: SessionPath): void;
  /** Which paths work has changed. */
  pathsChanged(): void;
  /** Paths have been judged. */
  judged(): void;
  /** The kernel would not send a packet of `bytes` on the path. */
  packetRefused(path: SessionPath, bytes: number, now: number): void;
  /** Counts the records that are overdue on `path`. */
  noteSilence(path: SessionPath, now: number): void;
  /** Sends what is due at `now`. */
  handleTimeout(now: number): void;
  /** When that is to be called next, in ms. */
  nextDeadline(): number;
  /** Tells the peer that this side ends the session, if the wire has a message for it. */
  sayBye(): void;
  /** Tells the client to go to another server, where there is a word for it. */
  askToLeave(): void;
}
