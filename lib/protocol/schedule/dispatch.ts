/**
 * On which paths the packets of the TUN device leave, by the session's scheduler. One read of the
 * device may be many packets of one flow: `begin` looks at the flow once, `next` is asked for each
 * packet.
 */
import { PROTOCOL_TCP } from "../packet/ip.ts";
import type { Cipher } from "../crypto/key_epochs.ts";
import type { Session } from "../session/session.ts";
import type { SessionPath } from "../session/session_path.ts";
import { FLAG_COPY, FLAG_ORDERED } from "../wire/header.ts";
import type { FlowKey } from "../packet/flow_key.ts";
import type { FlowTable } from "./flow_table.ts";
import { lastResort, pickPath, pickStripe } from "./pick_path.ts";

/** Streams 1 to this many keep order; flows share them by hash, so few wait for each other. */
const ORDERED_STREAMS = 16;
const STREAM_MASK = ORDERED_STREAMS - 1;
/** Numbers copies that are delivered at once. */
const STREAM_COPIES = ORDERED_STREAMS + 1;

export class Dispatch<S extends Cipher, O extends Cipher> {
  /** Flags of x1 for each record. */
  flags = 0;
  stream = 0;
  readonly #flows: FlowTable;
  #session: Session<S, O> | null = null;
  readonly #single: SessionPath[] = [];
  #now = 0;
  #isStriped = false;
  #isCopied = false;

  constructor(flows: FlowTable) {
    this.#flows = flows;
  }

  /** Hot. For the packets of one read, `bytes` in all. False: the session has no path. */
  begin(session: Session<S, O>, flow: FlowKey, bytes: number, now: number): boolean {
    const { scheduler, live } = session.scheduling;
    this.#session = session;
    this.#isStriped = scheduler === "stripe" && live.length > 0;
    this.#isCopied = scheduler === "redundant" && live.length > 0;
    this.flags = this.stream = 0;
    this.#now = now;
    if (session.x1 && (this.#isStriped || this.#isCopied)) this.#order(flow);
    if (this.#isCopied) { for (const path of live) session.notePacketSent(path, now); }
    if (this.#isStriped || this.#isCopied) return true;
    const path = scheduler === "stripe" || scheduler === "redundant"
      ? lastResort(session, bytes)
      : pickPath(session, this.#flows, flow, bytes, now);
    return this.#take(path);
  }

  #take(path: SessionPath | null): boolean {
    if (path === null) return false;
    this.#single[0] = path;
    this.#session!.notePacketSent(path, this.#now);
    return true;
  }

  /**
   * A copy that overtakes another mends a loss at once; TCP has to see it in order all the same, or
   * takes it for one.
   */
  #order(flow: FlowKey): void {
    const isOrdered = this.#isStriped || flow.protocol === PROTOCOL_TCP;
    this.flags = (isOrdered ? FLAG_ORDERED : 0) | (this.#isCopied ? FLAG_COPY : 0);
    this.stream = isOrdered ? 1 + (flow.hashA & STREAM_MASK) : STREAM_COPIES;
  }

  /** Hot. The paths of the next packet of `bytes`. The array is good until the next call. */
  next(bytes: number): readonly SessionPath[] {
    const session = this.#session!;
    if (this.#isCopied) return session.scheduling.live;
    if (this.#isStriped) this.#take(pickStripe(session, bytes));
    return this.#single;
  }
}
