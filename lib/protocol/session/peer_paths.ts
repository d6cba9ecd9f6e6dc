/**
 * The server's side of paths: they are opened by what authentic records come from, and follow a
 * client that gets another address, but only for the newest of its records.
 */
import type { Outbox } from "./outbox.ts";
import type { NewPath, PathTable } from "../path/path_table.ts";
import type { PeerAddress } from "../path/peer_address.ts";
import { SessionPath } from "../path/session_path.ts";
import type { RandomSource, RecordAge } from "../crypto/packet_protection.ts";
import { AddressChallenges, type ChallengeForm } from "./address_challenges.ts";
import { V1Freshness } from "../v1/freshness.ts";
import { type RecordHeader, TYPE_HANDSHAKE, TYPE_HEARTBEAT, TYPE_PACKET } from "../wire/header.ts";

/** A path of the peer's that was silent for so long gives its place to a new one. */
const SILENT_PATH_KEPT_MS = 30_000;
/** How long a new address of a path may take to answer. */
const CANDIDATE_MS = 3_000;
/** One of which nothing came after it was opened does so sooner: its client has tried another since. */
const STRANGER_KEPT_MS = 5_000;
/** A handshake and a heartbeat open a path. */
const STRANGER_RECORDS_MAX = 2;

export class PeerPaths {
  readonly challenges: AddressChallenges;
  /**
   * Stands for where v1 packets come from that are on no path: the handshake was lost or overtaken,
   * or a NAT changed the port. They are as authentic as others, but open nothing.
   */
  readonly stray = new SessionPath(0, "unknown", 0, 0);
  readonly #paths: PathTable;
  readonly #freshness = new V1Freshness();
  readonly #remove: (id: number, now: number) => void;
  readonly #controlHost: PeerAddress | null;

  /**
   * @param remove takes a path out of the session.
   * @param form how addresses are challenged.
   * @param controlHost where the control connection came from: that host has answered, as TCP wants.
   */
  constructor(
    paths: PathTable,
    outbox: Outbox,
    random: RandomSource,
    remove: (id: number, now: number) => void,
    form: ChallengeForm,
    controlHost: PeerAddress | null,
  ) {
    this.#paths = paths;
    this.#remove = remove;
    this.#controlHost = controlHost;
    this.challenges = new AddressChallenges(outbox, random, form);
  }

  /** Hot. The path of an authentic x1 record; null: there is no room for it. */
  ofX1(
    header: RecordHeader,
    socket: number,
    from: PeerAddress,
    age: RecordAge,
    now: number,
  ): SessionPath | null {
    let path = this.#paths.byId(header.pathId);
    if (path === null) {
      path = this.#open(header.pathId, socket, from, now);
      if (path === null) return null;
      this.challenges.begin(path, now);
    } else if (!path.peer.equals(from)) {
      this.#follow(path, socket, from, age, header.payloadLength, now);
    }
    if (path.amplificationCredit !== Infinity && path.peer.equals(from)) {
      this.challenges.noteReceived(path, header.payloadLength, now);
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
    const asked = this.challenges.asked(path.id);
    if (asked !== null && asked !== path && asked.peer.equals(from)) {
      return this.challenges.noteReceived(asked, bytes, now);
    }
    if (age !== "newest") return;
    if (path.amplificationCredit === Infinity) {
      // It keeps the address that has answered until the new one has, too (RFC 9000, 9.3.3).
      const candidate = new SessionPath(path.id, path.name, socket, 0, path.family);
      candidate.peer.copyFrom(from);
      this.challenges.begin(candidate, now, now + CANDIDATE_MS);
      return this.challenges.noteReceived(candidate, bytes, now);
    }
    path.peer.copyFrom(from);
    path.socket = socket;
    this.challenges.begin(path, now);
  }

  /** Takes an answer to a challenge, from `from`. False: it proves nothing. */
  takeResponse(path: SessionPath, from: PeerAddress | null, token: string): boolean {
    const asked = this.challenges.asked(path.id) ?? path;
    if (from !== null && !asked.peer.equals(from)) return false;
    if (!this.challenges.answer(asked, token)) return false;
    if (asked === path) return true;
    // Another port is a NAT's doing; another host is another way (RFC 9000, 9.4).
    if (!path.peer.isSameHost(asked.peer)) path.forgetRoute();
    path.peer.copyFrom(asked.peer);
    path.socket = asked.socket;
    return true;
  }

  /**
   * The path of an authentic v1 record. v1 has no replay window, so only what proves to be new may
   * open a path.
   */
  ofV1(
    header: RecordHeader,
    view: DataView,
    offset: number,
    socket: number,
    from: PeerAddress,
    now: number,
  ): SessionPath | "replayed" | null {
    const known = this.#paths.byPeer(from);
    if (known !== null && known.amplificationCredit !== Infinity) {
      this.challenges.noteReceived(known, header.payloadLength, now);
    }
    if (header.type === TYPE_PACKET) return known ?? this.stray;
    if (header.type !== TYPE_HANDSHAKE && header.type !== TYPE_HEARTBEAT) return known;
    const isFresh = this.#freshness.see(header, view, offset);
    if (known !== null) return known;
    return isFresh ? this.#openV1(header, socket, from, now) : "replayed";
  }

  #openV1(
    header: RecordHeader,
    socket: number,
    from: PeerAddress,
    now: number,
  ): SessionPath | null {
    const isProven = this.#hasAnswered(from);
    const path = this.#open(this.#paths.freeId(), socket, from, now);
    if (path === null || isProven) return path;
    this.challenges.begin(path, now);
    this.challenges.noteReceived(path, header.payloadLength, now);
    return path;
  }

  /** v1 knows no paths that move: each port is a new one, which a host that has answered need not prove. */
  #hasAnswered(from: PeerAddress): boolean {
    if (this.#controlHost?.isSameHost(from)) return true;
    for (const path of this.#paths) {
      if (path.amplificationCredit === Infinity && path.peer.isSameHost(from)) return true;
    }
    return false;
  }

  /** Where there is no room, the path that is silent longest makes it. */
  #open(id: number, socket: number, peer: PeerAddress, now: number): SessionPath | null {
    const path: NewPath = { id, name: `path ${id}`, socket, peer };
    const opened = this.#paths.add(path);
    if (opened !== null) return opened;
    const silent = this.#paths.longestSilent(STRANGER_RECORDS_MAX);
    const keptMs = silent === null || silent.counters.receivedPackets > STRANGER_RECORDS_MAX
      ? SILENT_PATH_KEPT_MS
      : STRANGER_KEPT_MS;
    if (silent === null || now - silent.lastHeardAt < keptMs) return null;
    this.#remove(silent.id, now);
    return this.#paths.add(path);
  }
}
