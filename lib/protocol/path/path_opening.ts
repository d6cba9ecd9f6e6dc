/** Opens paths on the server, when a client is first heard on them. */
import type { PeerAddress } from "./peer_address.ts";
import type { NewPath, PathTable } from "./path_table.ts";
import type { SessionPath } from "./session_path.ts";

/** A path silent for so long is replaced by a new one when the table is full. */
const SILENT_PATH_KEPT_MS = 30_000;
/** One on which nothing came after it was opened is replaced sooner. */
const STRANGER_KEPT_MS = 5_000;
/** A handshake and a heartbeat open a path. */
const STRANGER_RECORDS_MAX = 2;

export class PathOpening {
  readonly #paths: PathTable;
  readonly #remove: (id: number, now: number) => void;

  /** @param remove takes a path out of the session. */
  constructor(paths: PathTable, remove: (id: number, now: number) => void) {
    this.#paths = paths;
    this.#remove = remove;
  }

  /** Replaces the path silent for longest when the table is full. Null: none was silent long enough. */
  open(id: number, socket: number, peer: PeerAddress, now: number): SessionPath | null {
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
