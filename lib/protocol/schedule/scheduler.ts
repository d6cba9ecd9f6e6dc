/**
 * On which paths the packets of a session leave, and when. A scheduler is told of packets, of what
 * receivers report, and of paths that change, and is asked for what to send.
 *
 * One read of the TUN device may be many packets of one flow: `begin` looks at the flow once, `offer`
 * takes each packet. A scheduler either says at once how a packet leaves, or holds it and gives it
 * back from `poll` when its time has come. Packets are the caller's, known by a slot number.
 */
import type { FlowKey } from "../packet/flow_key.ts";
import type { SessionPath } from "../path/session_path.ts";
import type { Acknowledgement } from "../wire/acknowledgement.ts";
import type { OrderExtension } from "../wire/order_extension.ts";
import type { DropReason } from "../wire/drop_reason.ts";
import type { PathFeedback } from "../wire/path_feedback.ts";
import type { SchedulerName } from "../wire/scheduler_name.ts";
import type { PathLoad } from "./path_load.ts";
import type { WeighedPath } from "./weights.ts";

/** How one packet leaves. A scheduler reuses one object for all. */
export class Departure {
  /** The packet, as it was offered. */
  slot = 0;
  /** One record on each of these; empty: no path takes the packet, and it is dropped. */
  paths: readonly SessionPath[] = [];
  /** Why, where it has never left. */
  reason: DropReason = "queue full";
  /** FLAG_ bits of each record. */
  flags = 0;
  /** Reorder domain, in which the packet has a sequence number. */
  stream = 0;
  /**
   * Whether the packet may leave again, so that its slot stays in use; else this departure is its
   * last, on no path where it is given up.
   */
  isKept = false;
  /** What the record ends with; the packet then has the number `sequence`, which its scheduler gave. */
  extension: OrderExtension | null = null;
  sequence = 0;
}

export interface Scheduler {
  readonly name: SchedulerName;
  /** Whether `offer` may hold packets. */
  readonly holdsPackets: boolean;
  /**
   * Whether it may hold those of the flow `begin` was told of last, so that they have to lie where
   * they are not written over.
   */
  readonly storesPackets: boolean;
  /** Whether one flow takes several paths, so that its packets bear the order extension. */
  readonly spreadsFlows: boolean;
  /** Whether each packet leaves on every path that may carry any, good or bad. */
  readonly usesEveryPath: boolean;
  /**
   * Paths have come, gone, or been judged anew. Sets which of them carry flows.
   * @param weighed what is known of each of `paths`, in their order.
   */
  pathsChanged(paths: readonly SessionPath[], weighed: readonly WeighedPath[], now: number): void;
  /** The path has left the session. */
  pathRemoved(path: SessionPath, now: number): void;
  /** The receiver of `path` has reported what arrived. */
  feedbackReceived(path: SessionPath, feedback: PathFeedback, now: number): void;
  /** The peer has told which records arrived. False: that cannot be true, or nobody asked. */
  acknowledged(message: Acknowledgement, now: number): boolean;
  /**
   * Hot. A record leaves on `path`: the packet that `poll` gave last, or one of another kind.
   * @param epoch low 8 bits of its key's.
   * @param bytes of its payload.
   */
  recordWritten(
    path: SessionPath,
    kind: "packet" | "control",
    epoch: number,
    counter: number,
    bytes: number,
  ): void;
  /** Hot. The packets offered next are of `flow`, `bytes` in all. False: the session has no path. */
  begin(flow: FlowKey, bytes: number, now: number): boolean;
  /** Hot. Takes a packet of `bytes`. Returns how it leaves now; null: it is held until `poll`. */
  offer(slot: number, bytes: number, now: number): Departure | null;
  /** Hot. The next held packet that may leave at `now`, or null. */
  poll(now: number): Departure | null;
  /** When the next packet may leave: `now` where none is held back; Infinity where none waits. */
  nextDeparture(now: number): number;
  /** What is known of a path of the session. For reports and decisions, not for each packet. */
  loadOf(path: SessionPath): PathLoad;
}
