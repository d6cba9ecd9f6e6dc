/**
 * One path between the peers of a session: a link of the client, and what is known of it. The
 * counters may be read at any time; the rest belongs to the session.
 */
import { IPV6_MTU_MIN } from "../packet/ip.ts";
import type { ReceivedRecords } from "./received_records.ts";
import { ReceiveStatistics } from "./receive_statistics.ts";
import { Liveness, type PathState } from "./liveness.ts";
import type { MtuSearch } from "./mtu_search.ts";
import { NO_RULE, type PathRule } from "../wire/path_rule.ts";
import { PathQuality } from "./quality.ts";
import { Eligibility } from "./eligibility.ts";
import type { RepairGroup } from "./repair_group.ts";
import { PeerAddress } from "./peer_address.ts";

/** A path at whose rate packets had to wait within this is full. */
const BACKLOG_KEPT_MS = 1000;

interface PathCounters {
  sentPackets: number;
  sentBytes: number;
  receivedPackets: number;
  receivedBytes: number;
  /** Packets that came with "congestion experienced". */
  congestionMarks: number;
  /** Packets that got lost on it, and were had back from repair records. */
  repairedPackets: number;
  /** On a client. */
  heartbeatsSent: number;
  heartbeatsAnswered: number;
}

export class SessionPath {
  readonly liveness: Liveness;
  /** Of the path as this side sends on it. */
  readonly quality = new PathQuality();
  readonly eligibility = new Eligibility();
  /** What comes in on it. */
  readonly receiveStatistics = new ReceiveStatistics();
  /** What of that the peer is told of, when it asked; null: it did not. */
  receivedRecords: ReceivedRecords | null = null;
  /** Packet records of this side that the next repair record covers; null: none are covered. */
  repairGroup: RepairGroup | null = null;
  /** Where the path leads. The engine reads it; the session moves it when the peer roams. */
  readonly peer = new PeerAddress();
  readonly counters: PathCounters = {
    sentPackets: 0,
    sentBytes: 0,
    receivedPackets: 0,
    receivedBytes: 0,
    congestionMarks: 0,
    repairedPackets: 0,
    heartbeatsSent: 0,
    heartbeatsAnswered: 0,
  };
  /** When the next heartbeat is to be sent; Infinity on the side that only answers. */
  heartbeatAt = Infinity;
  /** Heartbeats in a row that it was in doubt at, and nothing else was sent. */
  doubtBeats = 0;
  /** When the peer is to be told what arrived. */
  feedbackAt = Infinity;
  lastHeardAt = -Infinity;
  /** The state last told to the outside. */
  reportedState: PathState = "probing";
  /** From where the server says that it is reached over the path; null: it has not said. */
  seenAs: string | null = null;
  /** Whether the kernel refused the last send because the link is gone. */
  isLinkGone = false;
  /** False when the peer has told us that the path does not work in its eyes. */
  isUsableForPeer = true;
  /** Whether the scheduler gives the path a share. */
  carriesFlows = false;
  /** What the operator of the client has prescribed. */
  rule: PathRule = NO_RULE;
  /** Bytes a second that this side begins to send with, before anything is measured; null: unknown. */
  startRate: number | null = null;
  /** What the server has told that the path carries towards the client; null: nothing yet. */
  peerRate: number | null = null;
  /** What the peer was last told of that. */
  toldRate: number | null = null;
  /** Whether its rule keeps it from carrying packets while others can. */
  isHeldBack = false;
  /** When packets last waited because of its rule's rate. */
  backloggedAt = -Infinity;
  /** Looks for the size of packets the path carries, or null: that is not asked. */
  mtuSearch: MtuSearch | null = null;
  /** The largest packet of the tunnel it carries, in bytes, once found. */
  mtu: number | null = null;
  /**
   * Bytes that may be sent to the address before it has proved to be the peer's; Infinity: it has.
   */
  amplificationCredit = Infinity;

  /**
   * @param socket the engine's number of the socket the path uses.
   * @param graceMs how long a working peer may be silent.
   */
  constructor(
    readonly id: number,
    readonly name: string,
    public socket: number,
    graceMs: number,
    /** IP version of the datagrams. */
    readonly family: 4 | 6 = 4,
  ) {
    this.liveness = new Liveness({ graceMs, rtt: this.quality.rtt });
  }

  /** Forgets what was measured: the path leads elsewhere than before. */
  forgetRoute(): void {
    this.quality.reset();
    this.receiveStatistics.forgetDelay();
  }

  /** Whether it does not carry the packets every IPv6 host may send (RFC 8200, 5). */
  get isNarrow(): boolean {
    return this.mtu !== null && this.mtu < Math.min(IPV6_MTU_MIN, this.mtuSearch?.ceiling ?? 0);
  }

  /** Hot. Whether the path works, and is not kept for times when others do not suffice. */
  get mayCarry(): boolean {
    return this.isUsable && !this.isHeldBack;
  }

  /** Bytes a second that it carries, as prescribed or else measured; null: that is not known. */
  get knownRate(): number | null {
    const { deliveryRate } = this.quality;
    const { sendRate } = this.rule;
    return sendRate === null ? deliveryRate : Math.min(sendRate, deliveryRate ?? sendRate);
  }

  /** Whether it was asked for more than it carries a moment ago. */
  isFull(now: number): boolean {
    return now - this.backloggedAt < BACKLOG_KEPT_MS || this.quality.arrivals.isFull(now);
  }

  /** Hot. Whether packets may use the path. */
  get isUsable(): boolean {
    return this.liveness.state === "up" && this.isUsableForPeer &&
      this.amplificationCredit === Infinity;
  }
}
