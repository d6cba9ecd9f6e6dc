/** What a fleet of simulated clients is asked for, and what came of it. */

/** How long answers are waited for when nothing is sent any more. */
export const ANSWERS_MS = 500;

/** A way to the server. */
export interface FleetLink {
  readonly device: string;
  /** The server's address there. */
  readonly server: string;
}

/** What a client sends. */
export interface Pings {
  /** Of each, in bytes. */
  readonly bytes: number;
  readonly everyMs: number;
  /** So many at a time; 1 unless told. */
  readonly pings?: number;
}

/** What came of a while. */
export interface FleetFigures {
  readonly sent: number;
  readonly answered: number;
  /** Packets besides. */
  readonly unasked: number;
  /** Records of the server's that could not be used. */
  readonly refused: number;
  /** Paths that work, of those there are. */
  readonly pathsUp: number;
  readonly paths: number;
  /** Of pings, in milliseconds; null without any. */
  readonly roundTripMs: { readonly median: number; readonly p99: number } | null;
}
