/** The server's side of paths towards v1 clients: each address and port is a path of its own. */
import type { AddressChallenges } from "../path/address_challenges.ts";
import type { PathOpening } from "../path/path_opening.ts";
import type { PathTable } from "../path/path_table.ts";
import type { PeerAddress } from "../path/peer_address.ts";
import { SessionPath } from "../path/session_path.ts";
import { type RecordHeader, TYPE_HANDSHAKE, TYPE_HEARTBEAT, TYPE_PACKET } from "../wire/header.ts";
import { V1Freshness } from "./freshness.ts";

export class V1PeerPaths {
  /**
   * Stands in for the path of packets that belong to none: the handshake was lost or overtaken, or a
   * NAT changed the port. They are authentic, but open no path.
   */
  readonly stray = new SessionPath(0, "unknown", 0, 0);
  readonly #paths: PathTable;
  readonly #opening: PathOpening;
  readonly #challenges: AddressChallenges;
  readonly #freshness = new V1Freshness();
  readonly #controlHost: PeerAddress | null;

  /**
   * @param controlHost where the control connection came from: TCP has validated that host.
   */
  constructor(
    paths: PathTable,
    opening: PathOpening,
    challenges: AddressChallenges,
    controlHost: PeerAddress | null,
  ) {
    this.#paths = paths;
    this.#opening = opening;
    this.#challenges = challenges;
    this.#controlHost = controlHost;
  }

  /**
   * The path of an authentic record. v1 has no replay window, so only what proves to be new may
   * open a path.
   */
  of(
    header: RecordHeader,
    view: DataView,
    offset: number,
    socket: number,
    from: PeerAddress,
    now: number,
  ): SessionPath | "replayed" | null {
    const known = this.#paths.byPeer(from);
    if (known !== null && known.amplificationCredit !== Infinity) {
      this.#challenges.noteReceived(known, header.payloadLength, now);
    }
    if (header.type === TYPE_PACKET) return known ?? this.stray;
    if (header.type !== TYPE_HANDSHAKE && header.type !== TYPE_HEARTBEAT) return known;
    const isFresh = this.#freshness.see(header, view, offset);
    if (known !== null) return known;
    return isFresh ? this.#open(header, socket, from, now) : "replayed";
  }

  #open(
    header: RecordHeader,
    socket: number,
    from: PeerAddress,
    now: number,
  ): SessionPath | null {
    const isProven = this.#hasAnswered(from);
    const path = this.#opening.open(this.#paths.freeId(), socket, from, now);
    if (path === null || isProven) return path;
    this.#challenges.begin(path, now);
    this.#challenges.noteReceived(path, header.payloadLength, now);
    return path;
  }

  /** Whether the host was validated before: in v1 each of its ports is a new path. */
  #hasAnswered(from: PeerAddress): boolean {
    if (this.#controlHost?.isSameHost(from)) return true;
    for (const path of this.#paths) {
      if (path.amplificationCredit === Infinity && path.peer.isSameHost(from)) return true;
    }
    return false;
  }
}
