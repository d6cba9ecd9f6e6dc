/** The paths of one session, by id, by socket and by peer: at most {@link PATHS_MAX}. */
import type { PeerAddress } from "./peer_address.ts";
import { SessionPath } from "./session_path.ts";

/** Links of one client; more than anybody has, and few enough to look through. */
export const PATHS_MAX = 16;
export interface NewPath {
  /** 0 to 255. */
  readonly id: number;
  readonly name: string;
  /** The engine's number of the socket. */
  readonly socket: number;
  /** Where it leads; null when the socket is connected. */
  readonly peer: PeerAddress | null;
  /** IP version of the datagrams; 4 unless told. */
  readonly family?: 4 | 6;
}

export class PathTable implements Iterable<SessionPath> {
  readonly #paths: SessionPath[] = [];
  readonly #byId: (SessionPath | null)[] = new Array(256).fill(null);
  readonly #graceMs: number;

  /** @param graceMs how long a working peer may be silent on a path. */
  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  get count(): number {
    return this.#paths.length;
  }

  [Symbol.iterator](): Iterator<SessionPath> {
    return this.#paths[Symbol.iterator]();
  }

  /** Null when the table is full or has the id. */
  add(path: NewPath): SessionPath | null {
    if (this.#paths.length >= PATHS_MAX || this.#byId[path.id] !== null) return null;
    const added = new SessionPath(path.id, path.name, path.socket, this.#graceMs, path.family);
    if (path.peer !== null) added.peer.copyFrom(path.peer);
    this.#paths.push(added);
    this.#byId[path.id] = added;
    return added;
  }

  remove(id: number): void {
    const path = this.byId(id);
    if (path === null) return;
    this.#paths.splice(this.#paths.indexOf(path), 1);
    this.#byId[id] = null;
  }

  /** Hot. */
  byId(id: number): SessionPath | null {
    return this.#byId[id] ?? null;
  }

  bySocket(socket: number): SessionPath | null {
    for (const path of this.#paths) if (path.socket === socket) return path;
    return null;
  }

  byPeer(peer: PeerAddress): SessionPath | null {
    for (const path of this.#paths) if (path.peer.equals(peer)) return path;
    return null;
  }

  freeId(): number {
    return this.#byId.indexOf(null);
  }

  /** Paths that new flows may use. */
  usable(): SessionPath[] {
    return this.#paths.filter((path) => path.isUsable);
  }

  /**
   * The path to use when none is usable, or null without any: the one heard from last of those whose
   * link is there.
   */
  lastHeard(): SessionPath | null {
    let best: SessionPath | null = null;
    for (const path of this.#paths) {
      const isBetter = best === null ||
        (path.isLinkGone === best.isLinkGone
          ? path.lastHeardAt > best.lastHeardAt
          : best.isLinkGone);
      if (isBetter) best = path;
    }
    return best;
  }

  /** Bytes of payload that came on all paths there are. */
  receivedBytes(): number {
    let bytes = 0;
    for (const { counters } of this.#paths) bytes += counters.receivedBytes;
    return bytes;
  }

  /**
   * The path heard from longest ago, or null without any. One that brought no more than
   * `strangerRecords` comes before those that brought more.
   */
  longestSilent(strangerRecords = 0): SessionPath | null {
    const isKnown = (path: SessionPath) => path.counters.receivedPackets > strangerRecords;
    let silent: SessionPath | null = null;
    for (const path of this.#paths) {
      const isBetter = silent === null ||
        (isKnown(path) === isKnown(silent)
          ? path.lastHeardAt < silent.lastHeardAt
          : isKnown(silent));
      if (isBetter) silent = path;
    }
    return silent;
  }
}
