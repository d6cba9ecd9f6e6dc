/**
 * One way between the two peers of a session: a link of the client's, and what is known of it.
 * Counters are read by whoever reports; the rest belongs to the session.
 */
import { Liveness, type PathState } from "../path/liveness.ts";
import { Rtt } from "../path/rtt.ts";
import { PeerAddress } from "./peer_address.ts";

export interface PathCounters {
  sentPackets: number;
  sentBytes: number;
  receivedPackets: number;
  receivedBytes: number;
}

export class SessionPath {
  readonly rtt = new Rtt();
  readonly liveness: Liveness;
  /** Where the path leads. The engine reads it; the session moves it when the peer roams. */
  readonly peer = new PeerAddress();
  readonly counters: PathCounters = {
    sentPackets: 0,
    sentBytes: 0,
    receivedPackets: 0,
    receivedBytes: 0,
  };
  /** When the next heartbeat is to be sent; Infinity on the side that only answers. */
  heartbeatAt = Infinity;
  lastHeardAt = -Infinity;
  /** The state last told to the outside. */
  reportedState: PathState = "probing";
  /** Whether the kernel refused the last send because the link is gone. */
  isLinkGone = false;
  /** False when the peer has told us that the path does not work in its eyes. */
  isUsableForPeer = true;

  /**
   * @param socket the engine's number of the socket the path uses.
   * @param graceMs how long the peer may be silent in the ordinary course of things.
   */
  constructor(
    readonly id: number,
    readonly name: string,
    public socket: number,
    graceMs: number,
  ) {
    this.liveness = new Liveness({ graceMs });
  }
}
