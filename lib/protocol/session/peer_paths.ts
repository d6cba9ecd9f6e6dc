/**
 * Paths on the server. An authentic record opens its path, and the newest record of a path moves it to
 * another address, once that address has been validated.
 */
import type { RecordAge } from "../crypto/packet_protection.ts";
import type { AddressChallenges } from "../path/address_challenges.ts";
import type { PathOpening } from "../path/path_opening.ts";
import type { PathTable } from "../path/path_table.ts";
import type { PeerAddress } from "../path/peer_address.ts";
import { SessionPath } from "../path/session_path.ts";
import type { RecordHeader } from "../wire/header.ts";

/** How long a new address of a path may take to answer. */
const CANDIDATE_MS = 3_000;

export class PeerPaths {
  readonly #paths: PathTable;
  readonly #opening: PathOpening;
  readonly #challenges: AddressChallenges;

  constructor(paths: PathTable, opening: PathOpening, challenges: AddressChallenges) {
    this.#paths = paths;
    this.#opening = opening;
    this.#challenges = challenges;
  }

  /** Hot. The path of an authentic record; null: there is no room for it. */
  of(
    header: RecordHeader,
    socket: number,
    from: PeerAddress,
    age: RecordAge,
    now: number,
  ): SessionPath | null {
    let path = this.#paths.byId(header.pathId);
    if (path === null) {
      path = this.#opening.open(header.pathId, socket, from, now);
      if (path === null) return null;
      this.#challenges.begin(path, now);
    } else if (!path.peer.equals(from)) {
      this.#follow(path, socket, from, age, header.payloadLength, now);
    }
    if (path.amplificationCredit !== Infinity && path.peer.equals(from)) {
      this.#challenges.noteReceived(path, header.payloadLength, now);
    }
    return path;
  }

  /** The peer's records of a path come from another address than they did. */
  #follow(
    path: SessionPath,
    socket: number,
    from: PeerAddress,
    age: RecordAge,
    bytes: number,
    now: number,
  ): void {
    const asked = this.#challenges.asked(path.id);
    if (asked !== null && asked !== path && asked.peer.equals(from)) {
      return this.#challenges.noteReceived(asked, bytes, now);
    }
    if (age !== "newest") return;
    if (path.amplificationCredit === Infinity) {
      // It keeps the address that has answered until the new one has, too (RFC 9000, 9.3.3).
      const candidate = new SessionPath(path.id, path.name, socket, 0, path.family);
      candidate.peer.copyFrom(from);
      this.#challenges.begin(candidate, now, now + CANDIDATE_MS);
      return this.#challenges.noteReceived(candidate, bytes, now);
    }
    path.peer.copyFrom(from);
    path.socket = socket;
    this.#challenges.begin(path, now);
  }

  /** Takes an answer to a challenge, from `from`. False: it proves nothing. */
  takeResponse(path: SessionPath, from: PeerAddress | null, token: string): boolean {
    const asked = this.#challenges.asked(path.id) ?? path;
    if (from !== null && !asked.peer.equals(from)) return false;
    if (!this.#challenges.answer(asked, token)) return false;
    if (asked === path) return true;
    // Another port is a NAT rebinding; another host is another route (RFC 9000, 9.4).
    if (!path.peer.isSameHost(asked.peer)) path.forgetRoute();
    path.peer.copyFrom(asked.peer);
    path.socket = asked.socket;
    return true;
  }
}
